//! The queue of messages as the worker sees it.

use std::collections::HashSet;

use authentication_app::ports::{LeasedMessage, MessageKind, MessageOrder, Recipient};
use authentication_domain::challenges::Purpose;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Store;
use crate::{
    builders::{id, message_order, nonce, sealed, subject},
    clock::START,
    race::at_once,
};

const MOMENT: Duration = Duration::MICROSECOND;
const LEASE: Duration = Duration::MINUTE;
const NOTHING: [Uuid; 0] = [];

pub(super) async fn queue(store: &Store, order: MessageOrder) -> MessageOrder {
    in_unit!(store, outbox.append_message(&order)).expect("a message is queued");
    order
}

/// A notice to somebody, asked for at `at`.
pub(super) async fn notice(store: &Store, at: OffsetDateTime) -> Uuid {
    let recipient = Recipient::Account(id());
    queue(
        store,
        message_order(MessageKind::PasswordChanged, recipient, at),
    )
    .await
    .id
}

pub(super) async fn lease(store: &Store, most: u32, now: OffsetDateTime) -> Vec<LeasedMessage> {
    let leased = store.lease_messages(most, LEASE, now).await;
    leased.expect("the queue answers")
}

async fn lease_ids(store: &Store, most: u32, now: OffsetDateTime) -> Vec<Uuid> {
    let leased = lease(store, most, now).await;
    leased.into_iter().map(|message| message.order.id).collect()
}

pub async fn a_message_is_leased_as_it_was_queued(store: Store) {
    let codes = Purpose::ALL.map(|purpose| MessageKind::Code {
        purpose,
        nonce: nonce(),
    });
    let notices = [
        MessageKind::SignInLocked,
        MessageKind::PasswordChanged,
        MessageKind::SessionStolen,
    ];
    for kind in codes.into_iter().chain(notices) {
        for recipient in [Recipient::Subject(subject()), Recipient::Account(id())] {
            for typed_identifier in [None, Some(sealed())] {
                let order = MessageOrder {
                    typed_identifier,
                    ..message_order(kind, recipient.clone(), START)
                };
                let queued = queue(&store, order).await;
                let [leased] = <[_; 1]>::try_from(lease(&store, 10, START).await).expect("one");
                assert_eq!(leased.attempts, 0);
                let leased = leased.order;
                assert_eq!((leased.id, leased.kind), (queued.id, queued.kind));
                assert_eq!(leased.recipient, queued.recipient);
                assert_eq!(leased.typed_identifier, queued.typed_identifier);
                assert_eq!(
                    (leased.at, leased.request_id),
                    (queued.at, queued.request_id)
                );
                store.finish_message(queued.id).await.unwrap();
            }
        }
    }
}

pub async fn the_oldest_messages_are_leased_first(store: Store) {
    let mut by_age = Vec::new();
    for minute in [3, 1, 4, 0, 2] {
        let at = START + Duration::minutes(minute);
        by_age.push((minute, notice(&store, at).await));
    }
    by_age.sort_unstable();
    let expected: Vec<_> = by_age.into_iter().map(|(_, id)| id).collect();
    let now = START + Duration::HOUR;
    assert_eq!(lease_ids(&store, 2, now).await, expected[..2]);
    assert_eq!(lease_ids(&store, 2, now).await, expected[2..4]);
    assert_eq!(lease_ids(&store, 2, now).await, expected[4..]);
    assert_eq!(lease_ids(&store, 2, now).await, NOTHING);
}

pub async fn a_message_is_not_due_before_its_time(store: Store) {
    let queued = notice(&store, START).await;
    assert_eq!(lease_ids(&store, 10, START - MOMENT).await, NOTHING);
    assert_eq!(lease_ids(&store, 10, START).await, [queued]);
}

pub async fn a_leased_message_is_nobody_elses_until_the_lease_ends(store: Store) {
    let queued = notice(&store, START).await;
    let mut now = START;
    for _ in 0..3 {
        assert_eq!(lease_ids(&store, 10, now).await, [queued]);
        assert_eq!(lease_ids(&store, 10, now).await, NOTHING);
        assert_eq!(lease_ids(&store, 10, now + LEASE - MOMENT).await, NOTHING);
        now += LEASE;
    }
}

pub async fn workers_at_once_never_hold_the_same_message(store: Store) {
    for _ in 0..3 {
        let mut queued = HashSet::new();
        for _ in 0..40 {
            queued.insert(notice(&store, START).await);
        }
        let mut leased = Vec::new();
        // A worker may find messages held that another one lets go a moment later: asked again, all are found.
        while leased.len() < queued.len() {
            let answers = at_once(8, |_| {
                let store = store.clone();
                async move { lease_ids(&store, 7, START).await }
            })
            .await
            .concat();
            assert!(
                !answers.is_empty(),
                "{} messages are lost",
                queued.len() - leased.len()
            );
            leased.extend(answers);
        }
        let distinct: HashSet<_> = leased.iter().copied().collect();
        assert_eq!(leased.len(), distinct.len(), "a message was leased twice");
        assert_eq!(distinct, queued);
        for id in queued {
            store.finish_message(id).await.unwrap();
        }
    }
}

pub async fn a_postponed_message_is_due_again_at_its_time(store: Store) {
    let queued = notice(&store, START).await;
    let mut now = START;
    for attempts in 0..3 {
        let [leased] = <[_; 1]>::try_from(lease(&store, 10, now).await).expect("it is due");
        assert_eq!((leased.order.id, leased.attempts), (queued, attempts));
        // Later than the lease would end, and earlier.
        let next = now + if attempts == 0 { 5 * LEASE } else { LEASE / 5 };
        store.postpone_message(queued, Some(next)).await.unwrap();
        assert_eq!(lease_ids(&store, 10, next - MOMENT).await, NOTHING);
        now = next;
    }
}

pub async fn a_message_that_was_finished_is_gone(store: Store) {
    let (sent, waiting) = (notice(&store, START).await, notice(&store, START).await);
    assert_eq!(lease(&store, 10, START).await.len(), 2);
    store.finish_message(sent).await.unwrap();
    assert_eq!(lease_ids(&store, 10, START + LEASE).await, [waiting]);
    store
        .finish_message(sent)
        .await
        .expect("finishing again does no harm");
    store
        .postpone_message(sent, Some(START))
        .await
        .expect("nor does postponing");
    assert_eq!(lease_ids(&store, 10, START + 2 * LEASE).await, [waiting]);
}
