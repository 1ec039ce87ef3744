//! The time that nodes share, and every time span while clocks jump (ADR 0045).

use time::Duration;

use super::{
    Store,
    support::{is_live, retrying, sign_in, somebody, wins},
    time_spans::SPANS,
    time_world::{Node, World},
};
use crate::{clock::START, race::fifty_at_once};

/// By how much anything may exceed its lifetime, or its window.
const ALLOWANCE: Duration = common::clock::SKEW;

/// A jump of the shared clock or of a node's own clock.
#[derive(Debug, Clone, Copy)]
enum Jump {
    /// Of the shared clock.
    Shared(Duration),
    /// Of the clock of the node's machine.
    Wall(Duration),
}

use Jump::{Shared, Wall};

/// Each is a sequence of jumps. It happens in the middle of the span, or after its end.
const JUMPS: [&[Jump]; 8] = [
    &[Shared(Duration::hours(-1))],
    &[Shared(Duration::days(-1))],
    &[Shared(Duration::seconds(-50))],
    &[Shared(Duration::hours(1)), Shared(Duration::hours(-1))],
    &[Shared(Duration::days(1)), Shared(Duration::days(-1))],
    &[Shared(Duration::hours(-1)), Shared(Duration::hours(1))],
    &[Wall(Duration::days(-1))],
    &[Wall(Duration::days(1)), Wall(Duration::days(-1))],
];

pub async fn a_time_is_noted_and_never_an_earlier_one(store: Store) {
    let seen = store.shared_time().await.expect("a time");
    store.note_time(START, seen.set_backs).await.expect("noted");
    let earlier = START - Duration::HOUR;
    store
        .note_time(earlier, seen.set_backs)
        .await
        .expect("noted or not");
    assert_eq!(store.shared_time().await.expect("a time").latest, START);
    let later = START + Duration::HOUR;
    store
        .note_time(later, seen.set_backs + 1)
        .await
        .expect("noted or not");
    assert_eq!(
        store.shared_time().await.expect("a time").latest,
        START,
        "a node that missed a set-back"
    );
    store.note_time(later, seen.set_backs).await.expect("noted");
    assert_eq!(store.shared_time().await.expect("a time").latest, later);
}

pub async fn of_fifty_nodes_that_find_the_time_back_one_has_it_followed(store: Store) {
    let before = store.shared_time().await.expect("a time").set_backs;
    let (owner, made) = (somebody(&store).await, START);
    let session = sign_in(&store, owner.record.account.id).await;
    let by = Duration::HOUR;
    let went = fifty_at_once(|_| {
        let store = store.clone();
        async move {
            retrying(|| store.go_back(made - by, by, before))
                .await
                .expect("it is followed, or was")
        }
    })
    .await;
    assert_eq!(wins(&went), 1);
    let end = session.created_at + session.idle - by;
    let moment = Duration::MICROSECOND;
    assert!(is_live(&store, session.id, end - moment).await);
    assert!(
        !is_live(&store, session.id, end).await,
        "back by an hour, once"
    );
    assert_eq!(
        store.shared_time().await.expect("a time").set_backs,
        before + 1
    );
}

/// Every span, under every sequence of jumps, in the middle of the span and after its end, with the same node and with
/// a restarted one: nothing is valid for longer than its lifetime, and nothing is blocked for longer than its window.
pub async fn no_span_outlives_itself_whatever_clocks_do(store: Store) {
    let world = World::new();
    let mut node = Node::start(&world, &store).await;
    for span in SPANS {
        for jumps in JUMPS {
            for (before, restarted) in [
                (span.life() / 2, false),
                (span.life() / 2, true),
                (span.life() + Duration::MINUTE * 5, false),
                (span.life() + Duration::MINUTE * 5, true),
            ] {
                let what = format!("{span:?}, {jumps:?} after {before}, restarted: {restarted}");
                let made = span.make(&store, node.now()).await;
                assert!(
                    made.counts(&store, node.now()).await,
                    "{what}: it counts at first"
                );
                let begun = world.passed();
                world.pass(before);
                node.look().await;
                for jump in jumps {
                    match *jump {
                        Shared(by) => world.set_shared(by),
                        Wall(by) => world.set_wall(by),
                    }
                    if restarted {
                        node = Node::start(&world, &store).await;
                    } else {
                        node.look().await;
                    }
                    world.pass(Duration::SECOND);
                }
                // From its end on, and at times at which a clock that follows the jump would make it valid again.
                let end = begun + span.life() + ALLOWANCE + Duration::SECOND;
                for later in [
                    Duration::ZERO,
                    Duration::minutes(10),
                    Duration::hours(1) - Duration::minutes(5),
                    Duration::hours(1) + Duration::minutes(5),
                    Duration::hours(24) - Duration::minutes(5),
                    Duration::hours(24) + Duration::minutes(5),
                ] {
                    world.pass((end + later - world.passed()).max(Duration::ZERO));
                    assert!(
                        !made.counts(&store, node.now()).await,
                        "{what}: and no longer, before a look"
                    );
                    node.look().await;
                    assert!(
                        !made.counts(&store, node.now()).await,
                        "{what}: and no longer"
                    );
                }
            }
        }
    }
}

/// The remaining lifetime, or wait, is the same as before, whether the span has just begun or began long before.
pub async fn every_span_goes_back_with_the_time(store: Store) {
    let world = World::new();
    let node = Node::start(&world, &store).await;
    for span in SPANS {
        for waited in [Duration::SECOND, span.life() / 2] {
            let made = span.make(&store, node.now()).await;
            world.pass(waited);
            node.look().await;
            world.set_shared(Duration::hours(-1));
            node.look().await;
            let what = format!("{span:?}, back after {waited}");
            assert!(made.counts(&store, node.now()).await, "{what}");
            world.pass(span.life() - waited - Duration::SECOND);
            assert!(made.counts(&store, node.now()).await, "{what}: to its end");
        }
    }
}

/// What a node with a fast clock wrote is not valid on another node, even before the error is noticed.
pub async fn what_was_made_in_the_future_does_not_count(store: Store) {
    for span in SPANS {
        for ahead in [
            ALLOWANCE + Duration::SECOND,
            Duration::hours(1),
            Duration::days(1),
        ] {
            let made = span.make(&store, START + ahead).await;
            assert!(!made.counts(&store, START).await, "{span:?}, {ahead} ahead");
        }
    }
}
