//! Ceilings over all messages.

use authentication_app::ports::{Ceiling, CeilingClaim};
use common::clock::SKEW;
use time::{Duration, OffsetDateTime};

use super::Store;
use crate::{
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

fn ceiling(scope: &str, most: u32) -> Ceiling {
    Ceiling {
        scope: scope.to_owned(),
        window: Duration::HOUR,
        most,
    }
}

async fn claim(store: &Store, ceiling: &Ceiling, now: OffsetDateTime) -> CeilingClaim {
    let claim = store.claim_message(ceiling, now).await;
    claim.expect("a message is counted")
}

const fn full(first: bool) -> CeilingClaim {
    CeilingClaim::Full {
        until: START.saturating_add(Duration::HOUR),
        first,
    }
}

pub async fn a_ceiling_grants_so_many_and_tells_the_first_refusal(store: Store) {
    let three = ceiling("email:day", 3);
    for _ in 0..3 {
        assert_eq!(claim(&store, &three, START).await, CeilingClaim::Granted);
    }
    assert_eq!(claim(&store, &three, START).await, full(true));
    assert_eq!(claim(&store, &three, START).await, full(false));
}

pub async fn a_ceiling_opens_again_when_its_window_ends(store: Store) {
    let one = ceiling("sms:day", 1);
    let end = START + Duration::HOUR;
    assert_eq!(claim(&store, &one, START).await, CeilingClaim::Granted);
    let last = end - Duration::MICROSECOND;
    assert_eq!(claim(&store, &one, last).await, full(true));
    assert_eq!(claim(&store, &one, end).await, CeilingClaim::Granted);
    // Exceeding the ceiling again is reported again.
    let until = end + Duration::HOUR;
    let refused = CeilingClaim::Full { until, first: true };
    assert_eq!(claim(&store, &one, end).await, refused);
}

/// Counted by a node whose clock was ahead: no message has to wait for the end of a window in the future.
pub async fn a_window_that_begins_in_the_future_is_none(store: Store) {
    let one = ceiling("email:day", 1);
    let ahead = START + SKEW;
    assert_eq!(claim(&store, &one, ahead).await, CeilingClaim::Granted);
    let until = ahead + Duration::HOUR;
    let refused = CeilingClaim::Full { until, first: true };
    assert_eq!(claim(&store, &one, START).await, refused);
    let earlier = START - Duration::MICROSECOND;
    assert_eq!(claim(&store, &one, earlier).await, CeilingClaim::Granted);
    let until = earlier + Duration::HOUR;
    let refused = CeilingClaim::Full { until, first: true };
    assert_eq!(claim(&store, &one, earlier).await, refused);
}

pub async fn ceilings_are_apart_by_scope_and_follow_their_number(store: Store) {
    let (one, other) = (ceiling("sms:+23480:hour", 1), ceiling("sms:+23481:hour", 1));
    assert_eq!(claim(&store, &one, START).await, CeilingClaim::Granted);
    assert_eq!(claim(&store, &other, START).await, CeilingClaim::Granted);
    assert_eq!(claim(&store, &one, START).await, full(true));
    // An operator raises the ceiling: there is room, and exceeding it is reported again.
    let raised = Ceiling { most: 2, ..one };
    assert_eq!(claim(&store, &raised, START).await, CeilingClaim::Granted);
    assert_eq!(claim(&store, &raised, START).await, full(true));
    let none = ceiling("sms:+960:hour", 0);
    assert_eq!(claim(&store, &none, START).await, full(true));
    assert_eq!(claim(&store, &none, START).await, full(false));
}

pub async fn exactly_so_many_of_fifty_at_once_fit_under_a_ceiling(store: Store) {
    for round in 0..ROUNDS {
        let seven = ceiling(&format!("email:round-{round}"), 7);
        let answers = fifty_at_once(|_| {
            let (store, seven) = (store.clone(), seven.clone());
            async move { claim(&store, &seven, START).await }
        })
        .await;
        let times = |expected| answers.iter().filter(|claim| **claim == expected).count();
        assert_eq!(times(CeilingClaim::Granted), 7);
        assert_eq!(times(full(true)), 1, "the crossing is told once");
        assert_eq!(times(full(false)), 42);
    }
}
