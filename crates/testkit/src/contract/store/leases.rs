//! Leases on messages: a lost lease changes nothing, and a message is handed over once.

use authentication_app::ports::{GiveBack, HeldMessage, LeasedMessage};

use super::{
    Store,
    messages::{LEASE, again, finish, give_back, lease, lease_one, notice},
    support::wins,
};
use crate::{
    clock::START,
    race::{ROUNDS, at_once, fifty_at_once},
};

async fn hand_over(store: &Store, held: HeldMessage) -> bool {
    let handed_over = store.hand_over_message(held, START).await;
    handed_over.expect("the queue answers")
}

/// A message whose first lease has expired, and its second lease.
async fn leased_twice(store: &Store) -> (HeldMessage, LeasedMessage) {
    notice(store, START).await;
    let lost = lease_one(store, START).await.held();
    let held = lease_one(store, START + LEASE).await;
    assert_ne!(lost, held.held());
    (lost, held)
}

pub async fn whoever_lost_the_lease_changes_nothing(store: Store) {
    let (lost, held) = leased_twice(&store).await;
    let park = GiveBack::Park {
        at: START,
        reason: "late".to_owned(),
    };
    for late in [again(START), GiveBack::Wait(START), park] {
        assert!(!give_back(&store, lost, late).await);
    }
    assert!(!hand_over(&store, lost).await);
    assert!(!finish(&store, lost).await);
    assert!(
        lease(&store, 10, START + LEASE).await.is_empty(),
        "still held"
    );
    assert!(hand_over(&store, held.held()).await);
    assert!(finish(&store, held.held()).await);
}

pub async fn a_message_given_back_is_nobodys(store: Store) {
    notice(&store, START).await;
    let held = lease_one(&store, START).await.held();
    assert!(give_back(&store, held, again(START)).await);
    assert!(!hand_over(&store, held).await);
    assert!(!give_back(&store, held, GiveBack::Wait(START)).await);
    assert!(!finish(&store, held).await);
    assert_eq!(lease_one(&store, START).await.attempts, 1);
}

pub async fn the_next_holder_hears_that_a_message_may_be_out(store: Store) {
    notice(&store, START).await;
    let first = lease_one(&store, START).await.held();
    assert!(hand_over(&store, first).await);
    // Its worker died.
    let second = lease_one(&store, START + LEASE).await;
    assert!(second.may_be_out);
    assert!(!hand_over(&store, second.held()).await);
    // It was certainly not sent after all, so it may be handed over again.
    assert!(give_back(&store, second.held(), again(START)).await);
    let third = lease_one(&store, START).await;
    assert!(!third.may_be_out);
    assert!(hand_over(&store, third.held()).await);
}

/// Its worker failed between marking and sending, and may not know whether the mark was written.
pub async fn a_message_that_was_not_tried_may_be_handed_over_again(store: Store) {
    notice(&store, START).await;
    let first = lease_one(&store, START).await.held();
    assert!(hand_over(&store, first).await);
    assert!(give_back(&store, first, GiveBack::Wait(START)).await);
    assert!(!hand_over(&store, first).await, "it comes too late");
    let second = lease_one(&store, START).await;
    assert!(!second.may_be_out);
    assert!(hand_over(&store, second.held()).await);
}

/// An expired lease proves nothing: its worker may have died before it counted the message.
pub async fn a_message_is_counted_once_it_was_handed_over_or_tried(store: Store) {
    let (_, held) = leased_twice(&store).await;
    assert!(!held.is_counted);
    assert!(give_back(&store, held.held(), GiveBack::Wait(START)).await);
    let held = lease_one(&store, START).await;
    assert!(!held.is_counted);
    assert!(hand_over(&store, held.held()).await);
    assert!(give_back(&store, held.held(), GiveBack::Wait(START)).await);
    let held = lease_one(&store, START).await;
    assert!(held.is_counted);
    assert!(finish(&store, held.held()).await);
    // A message that may be sent twice is not handed over first.
    notice(&store, START).await;
    let held = lease_one(&store, START).await;
    assert!(give_back(&store, held.held(), again(START)).await);
    assert!(lease_one(&store, START).await.is_counted);
}

pub async fn of_fifty_hand_overs_at_once_one_happens(store: Store) {
    for _ in 0..ROUNDS {
        notice(&store, START).await;
        let held = lease_one(&store, START).await.held();
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { hand_over(&store, held).await }
        })
        .await;
        assert_eq!(wins(&answers), 1);
        assert!(finish(&store, held).await);
    }
}

/// The old holder hands over at the moment when the message is leased to another worker.
pub async fn a_hand_over_and_a_new_lease_at_once_never_make_two_hand_overs(store: Store) {
    for _ in 0..4 * ROUNDS {
        notice(&store, START).await;
        let old = lease_one(&store, START).await.held();
        let later = START + LEASE;
        let answers = at_once(8, |rival| {
            let store = store.clone();
            async move {
                if rival % 2 == 0 {
                    return hand_over(&store, old).await;
                }
                match lease(&store, 1, later).await.first() {
                    Some(leased) if !leased.may_be_out => hand_over(&store, leased.held()).await,
                    _ => false,
                }
            }
        })
        .await;
        assert_eq!(wins(&answers), 1, "{answers:?}");
        let last = lease_one(&store, later + LEASE).await;
        assert!(last.may_be_out);
        assert!(finish(&store, last.held()).await);
    }
}

pub async fn of_a_late_end_and_a_new_lease_at_once_one_counts(store: Store) {
    for _ in 0..4 * ROUNDS {
        notice(&store, START).await;
        let old = lease_one(&store, START).await.held();
        let later = START + LEASE;
        let answers = at_once(2, |rival| {
            let store = store.clone();
            async move {
                if rival == 0 {
                    finish(&store, old).await
                } else {
                    !lease(&store, 1, later).await.is_empty()
                }
            }
        })
        .await;
        assert_eq!(wins(&answers), 1, "{answers:?}");
        for left in lease(&store, 10, later + LEASE).await {
            assert!(finish(&store, left.held()).await);
        }
    }
}
