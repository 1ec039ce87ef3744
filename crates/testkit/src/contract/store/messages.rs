//! The message queue as its workers see it.

use std::collections::HashSet;

use authentication_app::ports::{
    GiveBack, HeldMessage, LeaseToken, LeasedMessage, MessageKind, MessageOrder, Recipient,
};
use authentication_domain::challenges::Purpose;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Store;
use crate::{
    builders::{id, message_order, nonce, sealed, subject, uuid_at},
    clock::START,
    race::at_once,
};

const MOMENT: Duration = Duration::MICROSECOND;
pub(super) const LEASE: Duration = Duration::MINUTE;
const NOTHING: [Uuid; 0] = [];

pub(super) async fn queue(store: &Store, order: MessageOrder) -> MessageOrder {
    in_unit!(store, outbox.append_message(&order)).expect("a message is queued");
    order
}

/// Queues a notice to a new account, requested at `at`.
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
    let token = LeaseToken(uuid_at(now));
    let leased = store.lease_messages(most, token, LEASE, now).await;
    let leased = leased.expect("the queue answers");
    assert!(leased.unreadable.is_empty(), "{:?}", leased.unreadable);
    leased.messages
}

/// Leases the only message that is due.
pub(super) async fn lease_one(store: &Store, now: OffsetDateTime) -> LeasedMessage {
    let [leased] = <[_; 1]>::try_from(lease(store, 10, now).await).expect("one is due");
    leased
}

pub(super) async fn finish(store: &Store, held: HeldMessage) -> bool {
    let finished = store.finish_message(held).await;
    finished.expect("the queue answers")
}

pub(super) async fn give_back(store: &Store, held: HeldMessage, how: GiveBack) -> bool {
    let given_back = store.give_back_message(held, how).await;
    given_back.expect("the queue answers")
}

/// A retry at `at` on the provider's request, which counts as one second of postponed time.
pub(super) const fn again(at: OffsetDateTime) -> GiveBack {
    GiveBack::Retry {
        at,
        counts_for: Duration::SECOND,
        is_counted: true,
    }
}

/// Parks the only message that is due.
pub(super) async fn park_one(store: &Store, at: OffsetDateTime, reason: &str) -> Uuid {
    let held = lease_one(store, at).await.held();
    let reason = reason.to_owned();
    assert!(give_back(store, held, GiveBack::Park { at, reason }).await);
    held.id
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
    for kind in codes.into_iter().chain(MessageKind::notices()) {
        let is_code = matches!(kind, MessageKind::Code { .. });
        for recipient in [Recipient::Subject(subject()), Recipient::Account(id())] {
            for typed_identifier in [None, Some(sealed())] {
                let order = MessageOrder {
                    link: (!is_code).then(nonce),
                    typed_identifier,
                    ..message_order(kind, recipient.clone(), START)
                };
                let queued = queue(&store, order).await;
                let leased = lease_one(&store, START).await;
                assert!(finish(&store, leased.held()).await);
                assert_eq!((leased.attempts, leased.may_be_out), (0, false));
                assert!(!leased.is_counted);
                let leased = leased.order;
                assert_eq!((leased.id, leased.kind), (queued.id, queued.kind));
                assert_eq!(leased.recipient, queued.recipient);
                assert_eq!(leased.link, queued.link);
                assert_eq!(leased.typed_identifier, queued.typed_identifier);
                assert_eq!(
                    (leased.at, leased.request_id),
                    (queued.at, queued.request_id)
                );
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
        // A worker may miss messages that another one holds briefly, so asking again finds all of them.
        while leased.len() < queued.len() {
            let answers = at_once(8, |_| {
                let store = store.clone();
                async move { lease(&store, 7, START).await }
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
        let distinct: HashSet<_> = leased.iter().map(|message| message.order.id).collect();
        assert_eq!(leased.len(), distinct.len(), "a message was leased twice");
        assert_eq!(distinct, queued);
        for message in leased {
            assert!(finish(&store, message.held()).await);
        }
    }
}

pub async fn a_message_given_back_is_due_again_at_its_time(store: Store) {
    let queued = notice(&store, START).await;
    let mut now = START;
    for attempts in 0..3 {
        let leased = lease_one(&store, now).await;
        assert_eq!((leased.order.id, leased.attempts), (queued, attempts));
        let put_off_for = Duration::SECOND * attempts;
        assert_eq!(
            (leased.put_off, leased.put_off_for),
            (attempts, put_off_for)
        );
        // First later than the end of the lease, then earlier.
        let next = now + if attempts == 0 { 5 * LEASE } else { LEASE / 5 };
        assert!(give_back(&store, leased.held(), again(next)).await);
        assert_eq!(lease_ids(&store, 10, next - MOMENT).await, NOTHING);
        now = next;
    }
}

pub async fn a_message_that_was_not_tried_counts_no_attempt(store: Store) {
    notice(&store, START).await;
    for _ in 0..3 {
        let leased = lease_one(&store, START).await;
        assert_eq!(leased.attempts, 0);
        assert!(give_back(&store, leased.held(), GiveBack::Wait(START)).await);
    }
    let leased = lease_one(&store, START).await;
    assert!(give_back(&store, leased.held(), again(START)).await);
    let leased = lease_one(&store, START).await;
    assert_eq!((leased.attempts, leased.put_off), (1, 1));
    // Its worker died: that does not count as a postponement.
    let leased = lease_one(&store, START + LEASE).await;
    assert_eq!((leased.attempts, leased.put_off), (2, 1));
}

pub async fn a_message_that_was_spared_is_not_counted(store: Store) {
    notice(&store, START).await;
    for is_counted in [false, true] {
        let leased = lease_one(&store, START).await;
        let counts_for = Duration::ZERO;
        let spared = GiveBack::Retry {
            at: START,
            counts_for,
            is_counted,
        };
        assert!(give_back(&store, leased.held(), spared).await);
        let leased = lease_one(&store, START).await;
        assert_eq!(leased.is_counted, is_counted);
        assert!(give_back(&store, leased.held(), GiveBack::Wait(START)).await);
    }
}

pub async fn codes_are_leased_before_notices_and_leave_them_a_quarter(store: Store) {
    for _ in 0..6 {
        notice(&store, START).await;
    }
    let later = START + Duration::MINUTE;
    for _ in 0..10 {
        let (purpose, nonce) = (Purpose::SignIn, nonce());
        let code = MessageKind::Code { purpose, nonce };
        queue(
            &store,
            message_order(code, Recipient::Subject(subject()), later),
        )
        .await;
    }
    let codes_of = async |most| {
        let leased = lease(&store, most, later).await;
        let is_code = |it: &&LeasedMessage| matches!(it.order.kind, MessageKind::Code { .. });
        (leased.len(), leased.iter().filter(is_code).count())
    };
    assert_eq!(codes_of(1).await, (1, 1));
    assert_eq!(codes_of(8).await, (8, 6));
    // Places that codes leave free go to notices, and vice versa.
    assert_eq!(codes_of(6).await, (6, 3));
    assert_eq!(codes_of(6).await, (1, 0));
}

pub async fn a_message_that_was_finished_is_gone(store: Store) {
    let (sent, waiting) = (notice(&store, START).await, notice(&store, START).await);
    let leased = lease(&store, 10, START).await;
    let held = |id| {
        let message = leased.iter().find(|message| message.order.id == id);
        message.expect("both are leased").held()
    };
    assert!(finish(&store, held(sent)).await);
    assert!(!finish(&store, held(sent)).await);
    assert!(!give_back(&store, held(sent), again(START)).await);
    assert_eq!(lease_ids(&store, 10, START + LEASE).await, [waiting]);
}
