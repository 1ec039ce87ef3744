//! Every question and every write of the store, once at least.

use authentication_app::ports::{
    AccountQueries as _, Batch, Ceiling, CeremonyQuestion, ChallengeQueries as _, Cleared,
    DeviceQueries as _, EventQueue as _, FactorResetQueries as _, FailureScope,
    FederationQueries as _, GiveBack, Guess, HeldMessage, IdentifierSwap, ImportQueries as _,
    KeyTask, LeaseRequest, LeaseToken, LeasedEvent, LinkKind, Maintenance as _,
    MessageCeilings as _, MessageKind, MessageQueue as _, MovesSeen, NewAccount, NewCeremony,
    NewSession, NonceUse, NoticeQueries as _, NoticedAct, ParkedMessages as _, ParkedSelection,
    PasskeyQueries as _, Recipient, RekeyingQueries as _, Rewrapped, SendRequest, ServiceKeyRecord,
    SessionQueries as _, SubjectWindows, TimeStore as _, TriesScope, UnitOfWorkFactory as _,
};
use authentication_domain::{
    accounts::SignUpMethod,
    audit::{Action, Outcome},
    challenges::{ChallengeRules, CodeFormat, Purpose},
    passkeys::CeremonyPurpose,
    protection::{LockoutRules, NoticePace},
    sessions::{EndReason, RotationRules},
};
use common::{
    access::{AuthenticationMethod, Renewal},
    page::PageRequest,
};
use identity_adapters_postgres::Store;
use testkit::{
    builders::{
        audit_record, event_envelope, federation_question, id, id_at, idempotency_record,
        index_entry, index_keys_amid_rotation, message_order, new_account, new_ceremony,
        new_challenge, new_flow, new_identity, new_nonce, new_notice_link, new_session, nonce_use,
        passkey, passkey_use, password_hash, sealed, send_request, session_ended, sign_in_question,
        subject, token_digest, uuid_at,
    },
    clock::START,
    contract::store::imports::newcomer,
};
use time::Duration;

pub(crate) async fn ask_everything(store: &Store) {
    let owner = new_account();
    store.serve_destination("somewhere", START).await.unwrap();
    write_account(store, &owner).await;
    write_imports(store, &owner).await;
    write_codes(store, &owner).await;
    write_federation(store, &owner).await;
    write_sessions(store, &owner).await;
    write_passkeys(store, &owner).await;
    write_trail(store, &owner).await;
    write_notices(store, &owner).await;
    deliver_events(store).await;
    write_keys(store, &owner).await;
    store
        .sign_in_record(sign_in_question(&index_keys_amid_rotation(), None))
        .await
        .unwrap();
    store
        .purge_expired(START + Duration::days(400))
        .await
        .unwrap();
    // But for its going back, which rewrites whole tables and happens once.
    let seen = store.shared_time().await.unwrap();
    store.note_time(START, seen.set_backs).await.unwrap();
    store.ping().await.unwrap();
}

async fn write_account(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let scope = FailureScope {
        subject: owner.index.subject,
        device: Some(id()),
    };
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(owner).await.unwrap();
    unit.accounts()
        .save_profile(account, 1, &sealed(), START)
        .await
        .unwrap();
    unit.accounts()
        .set_password(account, 1, &password_hash(), None, START)
        .await
        .unwrap();
    unit.accounts()
        .upgrade_password_hash(account, &password_hash(), &password_hash())
        .await
        .unwrap();
    unit.devices()
        .remember(account, id(), 20, START)
        .await
        .unwrap();
    unit.attempts()
        .record_failure(scope, LockoutRules::default(), START)
        .await
        .unwrap();
    let rules = LockoutRules::default();
    unit.attempts()
        .clear_failures(scope, Cleared::InARowOfAll, rules, START)
        .await
        .unwrap();
    let subjects = [scope.subject, subject()];
    unit.attempts().forget_in_a_row(&subjects).await.unwrap();
    unit.attempts().forget_account(account).await.unwrap();
    unit.attempts().forget_subject(scope.subject).await.unwrap();
    unit.commit().await.unwrap();
    store
        .sign_in_record(sign_in_question(&owner.index, Some(id())))
        .await
        .unwrap();
    store.credentials_of(account).await.unwrap();
    store.find_by_subject(owner.index.subject).await.unwrap();
}

/// Somebody whose identifier is taken among them, so that every statement is asked; and undone, since others
/// count accounts.
async fn write_imports(store: &Store, owner: &NewAccount) {
    let mut users = [newcomer(), newcomer()];
    users[1].account.index = owner.index.clone();
    let ids = users.each_ref().map(|user| user.legacy_id.clone());
    store.find_imported(&ids).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.imports().insert(&users, START).await.unwrap();
}

async fn write_federation(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let (identity, nonce, flow) = (new_identity(account), new_nonce(), new_flow());
    let mut unit = store.begin().await.unwrap();
    let federation = unit.federation();
    federation.link(&identity).await.unwrap();
    federation.keep_nonce(&nonce).await.unwrap();
    let brought = NonceUse {
        device: Some(id()),
        session: Some(id()),
        account: Some(account),
        ..nonce_use(nonce.digest)
    };
    federation.use_nonce(brought).await.unwrap();
    federation.opens(identity.digest, account).await.unwrap();
    federation.keep_flow(&flow).await.unwrap();
    federation
        .claim_flow(flow.state, flow.binding, START)
        .await
        .unwrap();
    federation.release_flow(flow.state, START).await.unwrap();
    unit.challenges()
        .void_codes(owner.index.subject, START)
        .await
        .unwrap();
    unit.accounts().advance(account, 0, START).await.unwrap();
    unit.accounts()
        .moved_since(account, MovesSeen(0))
        .await
        .unwrap();
    unit.commit().await.unwrap();
    let question = federation_question(identity.digest, &owner.index);
    store.federation_record(question).await.unwrap();
    store.identity_of(account).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.federation().unlink(account).await.unwrap();
}

async fn write_codes(store: &Store, owner: &NewAccount) {
    let rules = ChallengeRules::default();
    let purpose = Purpose::PasswordReset;
    let challenge = new_challenge(&owner.index, purpose);
    let link = token_digest();
    let request = SendRequest {
        link: Some(link),
        ..send_request(owner.index.subject, purpose, START)
    };
    let tries = TriesScope {
        subject: request.subject,
        purpose,
        device: None,
    };
    let mut unit = store.begin().await.unwrap();
    unit.challenges().insert(&challenge).await.unwrap();
    unit.challenges()
        .request_sending(&request, &rules)
        .await
        .unwrap();
    unit.challenges()
        .claim_message_quota(request.subject, &rules, START)
        .await
        .unwrap();
    unit.challenges()
        .lock_live(challenge.digest, START)
        .await
        .unwrap();
    unit.challenges()
        .count_try(challenge.digest, &rules, START)
        .await
        .unwrap();
    unit.attempts()
        .count_try(tries, 15, Duration::HOUR, START)
        .await
        .unwrap();
    let guess = Guess {
        of: CodeFormat::Digits,
        right: false,
    };
    unit.attempts()
        .count_guess(tries, guess, &rules, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
    store
        .find_challenge(challenge.digest, Some(id()), START)
        .await
        .unwrap();
    store.find_reset_link(link).await.unwrap();
    store.find_dispatch(request.subject, purpose).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    unit.challenges()
        .consume(challenge.digest, &rules, START)
        .await
        .unwrap();
    unit.challenges()
        .use_code(request.subject, purpose, request.nonce, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
}

async fn write_sessions(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let rules = RotationRules::default();
    let reason = EndReason::SignedOut;
    // The accounts were written before: a new password made each the second version.
    let sessions = [(); 4].map(|()| NewSession {
        account_version: 2,
        ..new_session(account)
    });
    let [first, second, ..] = &sessions;
    let mut unit = store.begin().await.unwrap();
    for session in &sessions {
        unit.sessions().begin(session, 3).await.unwrap();
    }
    unit.commit().await.unwrap();
    store.find_snapshot(second.id, START).await.unwrap();
    let page = PageRequest::new(None, Some(second.id)).unwrap();
    store.list_sessions(account, &page, START).await.unwrap();
    store.rotate(second.id, 0, rules, START).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    let renewal = Renewal::by(AuthenticationMethod::Passkey);
    unit.sessions()
        .prove_again(second.id, account, renewal, START)
        .await
        .unwrap();
    unit.sessions()
        .forgive(second.id, 0, second.device, rules, START)
        .await
        .unwrap();
    unit.sessions()
        .end_reused(second.id, 7, rules, START)
        .await
        .unwrap();
    unit.sessions()
        .end(first.id, account, reason, START)
        .await
        .unwrap();
    unit.sessions()
        .end_all(account, Some(first.id), reason, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
}

async fn write_passkeys(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let (kept, gone) = (passkey(account), passkey(account));
    let purpose = CeremonyPurpose::Enrolment;
    let ceremony = NewCeremony {
        account: Some(account),
        ..new_ceremony(purpose)
    };
    let (holder, ceremony_id) = (ceremony.holder, ceremony.id);
    let mut unit = store.begin().await.unwrap();
    let passkeys = unit.passkeys();
    for _ in 0..2 {
        passkeys.begin_ceremony(&ceremony).await.unwrap();
    }
    for record in [&kept, &gone] {
        passkeys.insert(record).await.unwrap();
    }
    unit.commit().await.unwrap();
    let question = CeremonyQuestion {
        holder,
        purpose,
        credential: Some(kept.digest),
        device: Some(id()),
        now: START,
    };
    store.find_ceremony(question).await.unwrap();
    store.list_passkeys(account).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    let passkeys = unit.passkeys();
    passkeys
        .consume_ceremony(holder, purpose, ceremony_id, START)
        .await
        .unwrap();
    passkeys.note_use(&passkey_use(&kept)).await.unwrap();
    let name = sealed();
    passkeys
        .rename(account, kept.id, Some(&name))
        .await
        .unwrap();
    passkeys.remove(account, gone.id).await.unwrap();
    // Not the version that there is.
    unit.accounts().advance(account, 7, START).await.unwrap();
    unit.commit().await.unwrap();
}

async fn write_trail(store: &Store, owner: &NewAccount) {
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

async fn write_notices(store: &Store, owner: &NewAccount) {
    let account = owner.record.account.id;
    let link = new_notice_link(account, LinkKind::NotMe);
    let mut unit = store.begin().await.unwrap();
    unit.notices().keep_link(&link).await.unwrap();
    // Told, and a summary opened that is closed; another that is told anew.
    for _ in 0..3 {
        let recipient = Recipient::Account(account);
        let order = message_order(MessageKind::NewDevice, recipient.clone(), START);
        let act = NoticedAct {
            recipient,
            kind: order.kind,
            pace: NoticePace::ACT,
            summary: order.id,
            at: START,
        };
        unit.notices().gather(&act).await.unwrap();
        let held = HeldMessage {
            id: order.id,
            lease: LeaseToken(uuid_at(START)),
        };
        unit.notices().close_gathering(held, START).await.unwrap();
    }
    let recipient = Recipient::Account(account);
    let order = message_order(MessageKind::NewDevice, recipient.clone(), START);
    let act = NoticedAct {
        recipient,
        kind: order.kind,
        pace: NoticePace::ACT,
        summary: order.id,
        at: START,
    };
    unit.notices().gather(&act).await.unwrap();
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
    for how in [GiveBack::Retry(START), GiveBack::Wait(START), park()] {
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
async fn deliver_events(store: &Store) {
    let first = next_event(store).await.lease;
    store.finish_events(&[first], START).await.unwrap();
    let second = next_event(store).await.lease;
    store.postpone_event(&second, START, "away").await.unwrap();
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

/// But for the counts of what depends on a key, which go through whole tables and are an operator's.
async fn write_keys(store: &Store, owner: &NewAccount) {
    let record = &owner.record;
    let (account, read) = (record.account.id, record.wrapped_key.clone());
    let masters = [read.master_key_id.clone()];
    let batch = Batch {
        after: id_at(START - Duration::DAY),
        until: None,
    };
    store.find_batch_end(batch.after, 10).await.unwrap();
    let service_key = ServiceKeyRecord {
        id: "1".to_owned(),
        wrapped: read.clone(),
    };
    store.keep_service_key(&service_key, START).await.unwrap();
    let windows = SubjectWindows {
        failures: Duration::HOUR,
        tries: Duration::HOUR,
        messages: Duration::DAY,
    };
    let candidates = [owner.index.subject, subject()];
    store
        .subject_in_use(&candidates, windows, START)
        .await
        .unwrap();
    let mut unit = store.begin().await.unwrap();
    let work = unit.rekeying();
    work.lock_data_keys(&masters, batch).await.unwrap();
    let rewrapped = Rewrapped {
        account,
        next: read.clone(),
        read,
    };
    work.save_rewrapped(&[rewrapped]).await.unwrap();
    work.save_service_key(&service_key, &service_key.wrapped)
        .await
        .unwrap();
    work.lock_unindexed("index-2", batch).await.unwrap();
    let entry = [(account, index_entry("index-2"))];
    for _ in 0..2 {
        work.add_index_entries(&entry).await.unwrap();
    }
    work.remove_index_entries(&["index-2".to_owned()], batch)
        .await
        .unwrap();
    work.note_key_task(KeyTask::Indexing, 1, START)
        .await
        .unwrap();
    unit.commit().await.unwrap();
}
