//! Account lockout that cannot be used against the owner.
//!
//! Failures are counted per identifier, whether or not an account has it. Each known device of the owner has
//! a separate counter, so that a stranger's failures never lock the owner's own device.
//!
//! Two counters bound two kinds of guessing: failures within a window bound fast guessing, and consecutive
//! failures over any time bound slow guessing (NIST SP 800-63B-4 §3.2.2).

use common::clock;
use time::{Duration, OffsetDateTime};

/// The lockout thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutRules {
    /// Number of failures that cause a lock.
    pub failures: u32,
    /// How long failures are counted, and how long a lock lasts.
    pub window: Duration,
    /// Number of consecutive failures, over any time, that close password sign-in until a successful sign-in,
    /// a password reset, or an operator's unlock.
    pub most_in_a_row: u32,
}

impl Default for LockoutRules {
    fn default() -> Self {
        Self {
            failures: 5,
            window: Self::WINDOW,
            most_in_a_row: 100,
        }
    }
}

/// The record of earlier failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptCounter {
    /// Failures since [`Self::since`].
    pub failures: u32,
    /// The time of the first counted failure.
    pub since: OffsetDateTime,
    /// Until when attempts are refused without being checked.
    pub locked_until: Option<OffsetDateTime>,
    /// Failures since the last success, regardless of age.
    pub in_a_row: u32,
}

impl AttemptCounter {
    /// The remaining time of a lock; `None` when an attempt may be made. A lock that would last longer than
    /// the maximum was set by a clock that ran ahead, and is ignored.
    pub fn locked_for(&self, now: OffsetDateTime) -> Option<Duration> {
        self.locked_until
            .filter(|until| clock::counts_until(*until, LockoutRules::WINDOW, now))
            .map(|until| until - now)
    }
}

impl LockoutRules {
    /// Maximum duration of a lock.
    pub const WINDOW: Duration = Duration::minutes(15);

    /// How long attempts are refused without being checked; `None` when one may be made. A permanent closure
    /// looks like a lock that has just begun.
    pub fn refused_for(&self, counter: &AttemptCounter, now: OffsetDateTime) -> Option<Duration> {
        if counter.in_a_row >= self.most_in_a_row {
            Some(self.window)
        } else {
            counter.locked_for(now)
        }
    }

    /// The counter after one more failure. The reference for the single conditional write of the stores.
    pub fn after_failure(
        &self,
        before: Option<AttemptCounter>,
        now: OffsetDateTime,
    ) -> AttemptCounter {
        let counts = |counter: &AttemptCounter| {
            counter.locked_until.is_none() && clock::is_within(counter.since, self.window, now)
        };
        let (failures, since) = match before.filter(counts) {
            Some(counter) => (counter.failures + 1, counter.since),
            None => (1, now),
        };
        AttemptCounter {
            failures,
            since,
            locked_until: (failures >= self.failures).then(|| now + self.window),
            in_a_row: before.map_or(0, |counter| counter.in_a_row) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn after(failures: u32, apart: Duration) -> AttemptCounter {
        let rules = LockoutRules::default();
        let mut counter = None;
        for count in 0..failures {
            counter = Some(rules.after_failure(counter, NOW + apart * count));
        }
        counter.unwrap()
    }

    #[test]
    fn the_fifth_failure_locks_for_fifteen_minutes() {
        assert_eq!(after(4, Duration::SECOND).locked_until, None);
        let locked = after(5, Duration::SECOND);
        let fifth = NOW + Duration::seconds(4);
        assert_eq!(locked.locked_until, Some(fifth + Duration::minutes(15)));
        assert!(
            locked
                .locked_for(fifth + Duration::minutes(15) - Duration::SECOND)
                .is_some()
        );
        assert_eq!(locked.locked_for(fifth + Duration::minutes(15)), None);
    }

    #[test]
    fn slow_failures_add_up_to_a_hundred_in_a_row_and_no_more_are_heard() {
        let rules = LockoutRules::default();
        let a_day = Duration::DAY;
        let counter = after(99, a_day);
        assert_eq!((counter.failures, counter.in_a_row), (1, 99));
        let much_later = NOW + a_day * 365;
        assert_eq!(rules.refused_for(&counter, much_later), None);
        let closed = after(100, a_day);
        assert_eq!(closed.locked_for(much_later), None);
        assert_eq!(rules.refused_for(&closed, much_later), Some(rules.window));
    }

    #[test]
    fn slow_failures_do_not_add_up_and_a_served_lock_starts_afresh() {
        assert_eq!(after(9, Duration::minutes(15)).failures, 1);
        let locked = after(5, Duration::SECOND);
        let later = NOW + Duration::minutes(16);
        assert_eq!(
            LockoutRules::default()
                .after_failure(Some(locked), later)
                .failures,
            1
        );
    }
}
