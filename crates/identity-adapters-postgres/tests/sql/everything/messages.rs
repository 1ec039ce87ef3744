//! The audit trail, notices, messages and events.

use authentication_app::ports::{
    AccountQueries as _, Ceiling, DeviceQueries as _, EventQueue as _, FactorResetQueries as _,
    GiveBack, HeldMessage, IdentifierSwap, LeaseRequest, LeaseToken, LeasedEvent, LinkKind,
    Maintenance as _, MessageCeilings as _, MessageKind, MessageOrder, MessageQueue as _,
    NewAccount, NoticeQueries as _, NoticedAct, ParkedMessages as _, ParkedSelection, Recipient,
    SwitchedOff, UnitOfWorkFactory as _,
};
use authentication_domain::{
    accounts::SignUpMethod,
    audit::{Action, Outcome},
    protection::NoticePace,
};
use identity_adapters_postgres::Store;
use testkit::{
    builders::{
        audit_record, event_envelope, id, idempotency_record, index_keys_amid_rotation,
        message_order, new_notice_link, sealed, session_ended, uuid_at,
    },
    clock::START,
};
use time::Duration;

pub(super) async fn write_trail(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let answer = idempotency_record();
    let message = message_order(
        MessageKind::PasswordChanged,
        Recipient::Account(account),
        START,
    );
    let mut unit = store.begin().await.unwrap();
    let entry = || audit_record(Action::SignIn, Outcome::Success);
    unit.audit().append(&[entry(), entry()]).await.unwrap();
    let event = || event_envelope(session_ended(account));
    unit.outbox()
        .append_events(&[event(), event()])
        .await
        .unwrap();
    unit.outbox().append_message(&message).await.unwrap();
    unit.idempotency().record(&answer, START).await.unwrap();
    unit.idempotency().record(&answer, START).await.unwrap();
    unit.commit().await.unwrap();
    store
        .find_idempotency_record(answer.key, START)
        .await
        .unwrap();
    work_through_messages(store).await;
}

pub(super) async fn write_notices(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let link = new_notice_link(account, LinkKind::NotMe);
    let mut unit = store.begin().await.unwrap();
    unit.notices().keep_link(&link).await.unwrap();
    let act = |order: &MessageOrder| NoticedAct {
        recipient: order.recipient.clone(),
        kind: order.kind,
        pace: NoticePace::ACT,
        summary: order.id,
        at: START,
    };
    let order = || {
        let recipient = Recipient::Account(account);
        message_order(MessageKind::NewDevice, recipient, START)
    };
    // Told, and a summary opened that is closed; another that is told anew.
    for _ in 0..3 {
        let order = order();
        unit.notices().gather(&act(&order)).await.unwrap();
        let held = HeldMessage {
            id: order.id,
            lease: LeaseToken(uuid_at(START)),
        };
        unit.notices().close_gathering(held, START).await.unwrap();
    }
    unit.notices().gather(&act(&order())).await.unwrap();
    unit.notices().tell_anew(account, START).await.unwrap();
    unit.commit().await.unwrap();
    store
        .find_notice_link(link.digest, link.kind, START)
        .await
        .unwrap();
    store
        .is_reserved(owner.index.subject, Some(account), START)
        .await
        .unwrap();
    store.identifier_proven_at(account).await.unwrap();
    store.list_devices(account, id()).await.unwrap();
    store
        .ask_for_factor_reset(account, "ticket 1", START)
        .await
        .unwrap();
    store.find_factor_reset(account).await.unwrap();
    store.withdraw_factor_reset(id(), START).await.unwrap();
    store.begin_waits_of_resets(START, START).await.unwrap();
    store.list_factor_resets_to_do(10, START).await.unwrap();
    // Undone, since others count on the identifier.
    let mut unit = store.begin().await.unwrap();
    let (index, text) = (index_keys_amid_rotation(), sealed());
    for (read_version, reserve_until) in [(2, Some(START + Duration::HOUR)), (3, None)] {
        let swap = IdentifierSwap {
            account,
            read_version,
            identifier: &text,
            method: SignUpMethod::Email,
            index: &index,
            reserve_until,
            now: START,
        };
        assert!(unit.accounts().change_identifier(swap).await.unwrap());
    }
    unit.accounts()
        .note_identifier_proven(account, START)
        .await
        .unwrap();
    assert!(
        unit.accounts()
            .lock_password(account, 4, START)
            .await
            .unwrap()
    );
    unit.devices().forget(account, id()).await.unwrap();
    let resets = unit.factor_resets();
    resets.announce(account, START, START).await.unwrap();
    resets.claim_due(account, START).await.unwrap();
    resets.drop_called_off(account).await.unwrap();
    resets.call_off(account).await.unwrap();
    assert!(resets.remove_factors(account, 5, START).await.unwrap());
    unit.notices()
        .claim_link(link.digest, link.kind, START)
        .await
        .unwrap();
    unit.notices()
        .void_links(account, link.kind, START, START)
        .await
        .unwrap();
}

async fn work_through_messages(store: &Store) {
    let held = lease_one(store).await;
    store.hand_over_message(held, START).await.unwrap();
    let reason = "a reason".to_owned();
    let park = || GiveBack::Park {
        at: START,
        reason: reason.clone(),
    };
    store.give_back_message(held, park()).await.unwrap();
    store.list_parked_messages(None, 10).await.unwrap();
    store.message_backlog(START).await.unwrap();
    store.resend_parked_message(held.id, START).await.unwrap();
    let again = GiveBack::Retry {
        at: START,
        counts_for: Duration::SECOND,
        is_counted: true,
    };
    for how in [again, GiveBack::Wait(START), park()] {
        let held = lease_one(store).await;
        assert!(store.give_back_message(held, how).await.unwrap());
    }
    store.resend_all_parked_messages(START).await.unwrap();
    let held = lease_one(store).await;
    assert!(store.finish_message(held).await.unwrap());
    store.delete_parked_message(held.id).await.unwrap();
    let ceiling = Ceiling {
        scope: "email:day".to_owned(),
        window: Duration::DAY,
        most: 1,
    };
    store.claim_message(&ceiling, START).await.unwrap();
}

async fn lease_one(store: &Store) -> HeldMessage {
    let token = LeaseToken(uuid_at(START));
    let leased = store
        .lease_messages(10, token, Duration::MINUTE, START)
        .await
        .unwrap();
    leased.messages.first().unwrap().held()
}

/// One that is delivered, one that is postponed, parked twice, and delivered in the end.
pub(super) async fn deliver_events(store: &Store) {
    let first = next_event(store).await.lease;
    store.finish_events(&[first], START).await.unwrap();
    let second = next_event(store).await.lease;
    store.postpone_event(&second, START, "away").await.unwrap();
    let again = next_event(store).await.lease;
    store.give_event_back(&again, START, "gone").await.unwrap();
    let off = SwitchedOff {
        at: START,
        reason: "answered 410".to_owned(),
    };
    let name = "somewhere";
    store.rest_destination(name, START).await.unwrap();
    store.switch_destination_off(name, &off).await.unwrap();
    for _ in 0..2 {
        store.switch_destination_on(name, START).await.unwrap();
    }
    for _ in 0..2 {
        let poison = next_event(store).await;
        store
            .park_event(&poison.lease, 1, "refused", START)
            .await
            .unwrap();
        store.list_parked_events("somewhere", 0, 10).await.unwrap();
        for which in [ParkedSelection::One(poison.event.id), ParkedSelection::All] {
            store.resend_parked_events(which, START).await.unwrap();
        }
    }
    let last = next_event(store).await.lease;
    store.finish_events(&[last], START).await.unwrap();
    store.event_backlog().await.unwrap();
    store.purge_events(START).await.unwrap();
    store.forget_destination("nowhere").await.unwrap();
}

async fn next_event(store: &Store) -> LeasedEvent {
    let request = LeaseRequest {
        destination: "somewhere",
        most: 1,
        token: uuid_at(START),
        until: START + Duration::MINUTE,
        now: START,
    };
    let mut leased = store.lease_events(&request).await.unwrap();
    leased.pop().unwrap()
}
