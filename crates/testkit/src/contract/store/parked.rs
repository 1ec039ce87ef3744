//! Parked messages, which wait for an operator.

use authentication_app::ports::{Backlog, MessageKind, ParkedMessage, Recipient};
use authentication_domain::challenges::Purpose;
use time::Duration;
use uuid::Uuid;

use super::{
    Inspect, Store,
    messages::{LEASE, finish, lease, lease_one, notice, park_one, queue},
    support::somebody,
};
use crate::{
    builders::{id, message_order, nonce, subject},
    clock::START,
};

const REASON: &str = "the provider refuses the message (it answered 550)";

async fn parked(store: &Store) -> Vec<ParkedMessage> {
    let parked = store.list_parked_messages(None, 100).await;
    parked.expect("the queue answers")
}

async fn ids(store: &Store) -> Vec<Uuid> {
    parked(store)
        .await
        .iter()
        .map(|message| message.id)
        .collect()
}

pub async fn a_parked_message_waits_for_a_person(store: Store, inspect: &dyn Inspect) {
    let asked_for = START - Duration::HOUR;
    notice(&store, asked_for).await;
    let message = park_one(&store, START, REASON).await;
    let much_later = START + Duration::days(3_650);
    assert!(lease(&store, 10, much_later).await.is_empty());
    assert_eq!(inspect.message_count().await, 1);
    let expected = ParkedMessage {
        id: message,
        kind: "password_changed".to_owned(),
        purpose: None,
        at: asked_for,
        attempts: 1,
        parked_at: Some(START),
        reason: Some(REASON.to_owned()),
    };
    assert_eq!(parked(&store).await, [expected]);
}

pub async fn parked_messages_are_listed_oldest_first_page_by_page(store: Store, _: &dyn Inspect) {
    let mut expected = Vec::new();
    for minute in [2, 0, 1, 4, 3] {
        let at = START + Duration::minutes(minute);
        notice(&store, at).await;
        expected.push((at, park_one(&store, at, REASON).await));
    }
    expected.sort_unstable();
    // A message that waits for its turn is not listed.
    notice(&store, START).await;
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = store.list_parked_messages(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.at, last.id));
        listed.extend(page.iter().map(|message| (message.at, message.id)));
    }
    assert_eq!(listed, expected);
}

pub async fn a_parked_message_sent_again_is_as_if_never_tried(store: Store, _: &dyn Inspect) {
    notice(&store, START).await;
    let message = park_one(&store, START, REASON).await;
    let now = START + Duration::DAY;
    assert!(store.resend_parked_message(message, now).await.unwrap());
    assert!(!store.resend_parked_message(message, now).await.unwrap());
    assert!(ids(&store).await.is_empty());
    let leased = lease_one(&store, now).await;
    assert_eq!((leased.order.id, leased.attempts), (message, 0));
    assert!(!leased.may_be_out && !leased.is_counted);
}

pub async fn all_parked_messages_are_sent_again_and_no_others(store: Store, inspect: &dyn Inspect) {
    for _ in 0..3 {
        notice(&store, START).await;
        park_one(&store, START, REASON).await;
    }
    // One message is being sent, one is not due yet.
    notice(&store, START).await;
    let held = lease_one(&store, START).await.held();
    notice(&store, START + Duration::DAY).await;
    assert_eq!(store.resend_all_parked_messages(START).await.unwrap(), 3);
    assert_eq!(store.resend_all_parked_messages(START).await.unwrap(), 0);
    assert_eq!(lease(&store, 10, START).await.len(), 3);
    assert!(finish(&store, held).await, "it is still held");
    assert_eq!(inspect.message_count().await, 4);
}

pub async fn only_a_parked_message_can_be_deleted(store: Store, inspect: &dyn Inspect) {
    let waiting = notice(&store, START).await;
    assert!(!store.delete_parked_message(waiting).await.unwrap());
    assert!(!store.resend_parked_message(waiting, START).await.unwrap());
    park_one(&store, START, REASON).await;
    assert!(store.delete_parked_message(waiting).await.unwrap());
    assert!(!store.delete_parked_message(waiting).await.unwrap());
    assert_eq!(inspect.message_count().await, 0);
    assert!(lease(&store, 10, START + LEASE).await.is_empty());
}

/// Otherwise an owner who was never notified of the reset would count as notified.
pub async fn a_notice_that_a_reset_waits_for_is_not_deleted(store: Store, _: &dyn Inspect) {
    let account = somebody(&store).await.record.account.id;
    let reason = "ticket 4711";
    assert!(
        store
            .ask_for_factor_reset(account, reason, START)
            .await
            .unwrap()
    );
    assert!(in_unit!(store, factor_resets.announce(account, START, START)).unwrap());
    let kind = MessageKind::FactorResetAnnounced;
    let order = message_order(kind, Recipient::Account(account), START);
    let notice = queue(&store, order).await.id;
    park_one(&store, START, REASON).await;
    assert!(!store.delete_parked_message(notice).await.unwrap());
    assert!(store.withdraw_factor_reset(account, START).await.unwrap());
    assert!(store.delete_parked_message(notice).await.unwrap());
}

pub async fn the_queue_tells_how_long_it_is(store: Store, _: &dyn Inspect) {
    let backlog = async |now| store.message_backlog(now).await.expect("the queue answers");
    assert_eq!(backlog(START).await, Backlog::default());
    notice(&store, START - Duration::HOUR).await;
    park_one(&store, START, REASON).await;
    for minutes in [5, 3, -4] {
        notice(&store, START - Duration::minutes(minutes)).await;
    }
    let expected = Backlog {
        waiting: 3,
        parked: 1,
        lag: std::time::Duration::from_mins(5),
    };
    assert_eq!(backlog(START).await, expected);
    // A message that is being sent counts as waiting, but not as late.
    assert_eq!(lease(&store, 10, START).await.len(), 2);
    let expected = Backlog {
        lag: std::time::Duration::ZERO,
        ..expected
    };
    assert_eq!(backlog(START).await, expected);
}

/// It can no longer be used, and it may contain what was typed at registration.
pub async fn a_purge_deletes_a_parked_code_and_no_notice(store: Store, inspect: &dyn Inspect) {
    let code = MessageKind::Code {
        purpose: Purpose::Registration,
        nonce: nonce(),
    };
    for recipient in [Recipient::Subject(subject()), Recipient::Account(id())] {
        queue(&store, message_order(code, recipient, START)).await;
        park_one(&store, START, REASON).await;
    }
    notice(&store, START).await;
    let notice = park_one(&store, START, REASON).await;
    let waiting = message_order(code, Recipient::Subject(subject()), START);
    queue(&store, waiting).await;

    store.purge_expired(START + Duration::DAY).await.unwrap();
    assert_eq!(inspect.message_count().await, 4);
    let next_day = START + Duration::DAY + Duration::SECOND;
    store.purge_expired(next_day).await.unwrap();
    assert_eq!(inspect.message_count().await, 2);
    assert_eq!(ids(&store).await, [notice]);
}
