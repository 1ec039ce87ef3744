//! The promises of [`Throttle`]: counters that are exact at any moment and never admit more per window.
//!
//! Windows are counted in sixtieths of their length: a call counts for the whole length, and for up to one
//! sixtieth of it longer. Both bounds are tested.

use std::{collections::VecDeque, sync::Arc};

use authentication_app::ports::{Throttle, ThrottleKey, ThrottleOutcome, ThrottleRequest};
use authentication_domain::protection::Quota;
use time::Duration;

use crate::{SeededRandom, race::fifty_at_once};

const MINUTE: Duration = Duration::MINUTE;
const PART: Duration = Duration::SECOND;
const MILLISECOND: Duration = Duration::MILLISECOND;

/// What an adapter provides: counters without other users, and their clock.
pub struct ThrottleBed {
    /// The counters.
    pub throttle: Arc<dyn Throttle>,
    /// Advances the clock of the counters.
    pub advance: Box<dyn Fn(Duration) + Send + Sync>,
}

/// One test for each promise. Takes the name of an `async fn() -> ThrottleBed` in the same module.
#[macro_export]
macro_rules! throttle_contract {
    ($bed:ident) => {
        $crate::throttle_contract! { $bed:
            exactly_the_quota_is_allowed_at_one_moment,
            exactly_the_quota_is_allowed_to_many_at_once,
            a_refused_call_is_counted_in_no_window,
            a_window_named_twice_counts_once,
            windows_are_told_apart_by_key_and_length,
            outcomes_come_in_the_order_asked,
            no_span_of_the_windows_length_sees_more_than_the_quota,
            a_call_weighs_for_the_window_and_a_sixtieth_at_most,
            whoever_waits_as_told_gets_through_and_not_before,
            a_window_is_whole_again_when_it_was_said_to_be,
            any_text_is_a_key,
            nothing_asked_is_nothing_counted,
        }
    };
    ($bed:ident: $($fact:ident),+ $(,)?) => {
        $(#[test]
        fn $fact() {
            $crate::runtime::run(async { $crate::contract::throttle::$fact($bed().await).await });
        })+
    };
}

fn request(key: &str, calls: u32, window: Duration) -> ThrottleRequest {
    ThrottleRequest {
        key: ThrottleKey(key.to_owned()),
        quota: Quota { calls, window },
    }
}

impl ThrottleBed {
    async fn count<const N: usize>(&self, requests: [ThrottleRequest; N]) -> [ThrottleOutcome; N] {
        let outcomes = self
            .throttle
            .count(&requests)
            .await
            .expect("the counters are there");
        outcomes.try_into().expect("one outcome for each request")
    }

    async fn call(&self, key: &str, calls: u32) -> ThrottleOutcome {
        let [outcome] = self.count([request(key, calls, MINUTE)]).await;
        outcome
    }

    fn advance(&self, by: Duration) {
        (self.advance)(by);
    }
}

/// Successive calls at one moment, and the remaining quota after each.
pub async fn exactly_the_quota_is_allowed_at_one_moment(bed: ThrottleBed) {
    for remaining in (0..20).rev() {
        let outcome = bed.call("caller", 20).await;
        assert!(outcome.allowed);
        assert_eq!(outcome.remaining, remaining);
        assert!(
            outcome.reset_after >= MINUTE,
            "a call weighs for the whole window"
        );
    }
    for _ in 0..5 {
        let outcome = bed.call("caller", 20).await;
        assert!(!outcome.allowed);
        assert_eq!(outcome.remaining, 0);
        assert!(outcome.reset_after > Duration::ZERO);
    }
}

/// Fifty callers, a quota of twenty.
pub async fn exactly_the_quota_is_allowed_to_many_at_once(bed: ThrottleBed) {
    let outcomes = fifty_at_once(|_| {
        let throttle = Arc::clone(&bed.throttle);
        let requests = [
            request("caller", 20, MINUTE),
            request("subject", 30, MINUTE),
        ];
        async move {
            throttle
                .count(&requests)
                .await
                .expect("the counters are there")
        }
    })
    .await;
    let allowed = outcomes
        .iter()
        .filter(|outcomes| outcomes.iter().all(|outcome| outcome.allowed))
        .count();
    assert_eq!(allowed, 20);
    assert_eq!(
        bed.call("subject", 30).await.remaining,
        9,
        "who was refused took no place elsewhere"
    );
}

/// A call that one window refuses is not counted in the others.
pub async fn a_refused_call_is_counted_in_no_window(bed: ThrottleBed) {
    let both = || [request("narrow", 1, MINUTE), request("wide", 5, MINUTE)];
    let [narrow, wide] = bed.count(both()).await;
    assert!(narrow.allowed && wide.allowed);
    for _ in 0..10 {
        let [narrow, wide] = bed.count(both()).await;
        assert!(!narrow.allowed);
        assert!(wide.allowed, "this one would have taken it");
        assert_eq!(wide.remaining, 4);
    }
    assert_eq!(bed.call("wide", 5).await.remaining, 3);

    bed.advance(MINUTE + PART);
    assert!(
        bed.call("narrow", 1).await.allowed,
        "being refused does not prolong the refusal"
    );
}

/// However often the window is named, it is one call.
pub async fn a_window_named_twice_counts_once(bed: ThrottleBed) {
    let [first, second] = bed
        .count([request("caller", 5, MINUTE), request("caller", 5, MINUTE)])
        .await;
    assert_eq!((first.remaining, second.remaining), (4, 4));
    assert_eq!(bed.call("caller", 5).await.remaining, 3);
}

/// Callers do not share counters, and a window of a minute is not that of an hour.
pub async fn windows_are_told_apart_by_key_and_length(bed: ThrottleBed) {
    assert!(bed.call("caller", 1).await.allowed);
    assert!(bed.call("another", 1).await.allowed);
    let [by_the_hour] = bed.count([request("caller", 1, Duration::HOUR)]).await;
    assert!(by_the_hour.allowed);
    assert!(!bed.call("caller", 1).await.allowed);
}

/// The caller matches outcomes and quotas by position.
pub async fn outcomes_come_in_the_order_asked(bed: ThrottleBed) {
    let quotas: [u32; 5] = [7, 3, 9, 1, 5];
    let requests = quotas.map(|calls| request(&format!("window {calls}"), calls, MINUTE));
    let outcomes = bed.count(requests).await;
    assert_eq!(
        outcomes.map(|outcome| outcome.remaining),
        quotas.map(|calls| calls - 1)
    );
}

/// For any rhythm of calls.
pub async fn no_span_of_the_windows_length_sees_more_than_the_quota(bed: ThrottleBed) {
    const QUOTA: usize = 10;
    let random = SeededRandom::new(7);
    let gaps = [
        0, 0, 0, 1, 17, 400, 999, 1_000, 1_001, 5_000, 12_345, 30_000,
    ];
    let mut now = Duration::ZERO;
    let mut within: VecDeque<Duration> = VecDeque::new();
    let mut fullest = 0;
    for _ in 0..2_000 {
        let gap = Duration::milliseconds(*random.pick(&gaps));
        bed.advance(gap);
        now += gap;
        if bed.call("caller", 10).await.allowed {
            within.push_back(now);
        }
        while within
            .front()
            .is_some_and(|earlier| *earlier + MINUTE <= now)
        {
            within.pop_front();
        }
        assert!(
            within.len() <= QUOTA,
            "{} calls in the minute before {now}",
            within.len()
        );
        fullest = fullest.max(within.len());
    }
    assert_eq!(fullest, QUOTA, "the pattern reached the limit");
}

/// Not shorter than the window, and not longer than the promised additional sixtieth.
pub async fn a_call_weighs_for_the_window_and_a_sixtieth_at_most(bed: ThrottleBed) {
    for offset in [
        Duration::ZERO,
        MILLISECOND * 1,
        MILLISECOND * 500,
        PART - MILLISECOND,
    ] {
        let key = format!("caller {offset}");
        bed.advance(offset);
        assert!(bed.call(&key, 1).await.allowed);
        bed.advance(MINUTE - MILLISECOND);
        assert!(
            !bed.call(&key, 1).await.allowed,
            "just under a minute is within the window"
        );
        bed.advance(PART + MILLISECOND);
        assert!(
            bed.call(&key, 1).await.allowed,
            "a minute and a sixtieth is not"
        );
    }
}

/// `reset_after` of a refusal is exact.
pub async fn whoever_waits_as_told_gets_through_and_not_before(bed: ThrottleBed) {
    for step in [MILLISECOND * 100, PART * 5, PART * 7] {
        assert!(bed.call("caller", 3).await.allowed);
        bed.advance(step);
    }
    for _ in 0..3 {
        let refused = loop {
            let outcome = bed.call("caller", 3).await;
            if !outcome.allowed {
                break outcome;
            }
        };
        bed.advance(refused.reset_after - MILLISECOND);
        assert!(!bed.call("caller", 3).await.allowed);
        bed.advance(MILLISECOND);
        assert!(bed.call("caller", 3).await.allowed);
    }
}

/// `reset_after` of an allowed call is the time after which no call counts any more.
pub async fn a_window_is_whole_again_when_it_was_said_to_be(bed: ThrottleBed) {
    bed.call("caller", 5).await;
    bed.advance(PART * 20);
    let last = bed.call("caller", 5).await;
    bed.advance(last.reset_after);
    assert_eq!(bed.call("caller", 5).await.remaining, 4);
}

/// Keys are compared exactly, and the adapter does not interpret them.
pub async fn any_text_is_a_key(bed: ThrottleBed) {
    let keys = [
        "",
        " ",
        "*",
        "?",
        "[a-z]",
        "a\r\nFLUSHALL\r\n",
        "a",
        "a:b",
        "a\0b",
        "{a}b",
        "ключ",
    ];
    for key in keys {
        assert!(bed.call(key, 1).await.allowed, "{key:?} is one of its own");
    }
    for key in keys {
        assert!(!bed.call(key, 1).await.allowed, "{key:?} is still there");
    }
}

/// For routes without quotas.
pub async fn nothing_asked_is_nothing_counted(bed: ThrottleBed) {
    let [] = bed.count([]).await;
}
