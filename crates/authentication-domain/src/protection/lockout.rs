//! Lockout that cannot be aimed at a victim.
//!
//! Failures are counted per identifier, whether or not anybody has it; and apart for each known device of
//! its owner, so that a stranger's failures never close the door the owner comes through.
//!
//! Two counts bound two ways of guessing: failures within a window bound a fast one, failures in a row, over
//! any time, a slow one (NIST SP 800-63B-4 §3.2.2).

use common::clock;
use time::{Duration, OffsetDateTime};

/// The numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutRules {
    /// Failures that lock.
    pub failures: u32,
    /// How long failures count, and how long the lock holds.
    pub window: Duration,
    /// Failures in a row, over any time, that close the password until somebody signs in, the password is reset,
    /// or an operator opens it.
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

/// What is known of earlier failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptCounter {
    /// Failures since [`Self::since`].
    pub failures: u32,
    /// The first failure that counts.
    pub since: OffsetDateTime,
    /// Until when attempts are refused unheard.
    pub locked_until: Option<OffsetDateTime>,
    /// Failures since the last success, however long ago they were.
    pub in_a_row: u32,
}

impl AttemptCounter {
    /// How long the lock still holds; `None` when an attempt may be made. One that would hold for longer than a
    /// lock can was set by a clock that was ahead, and holds no more.
    pub fn locked_for(&self, now: OffsetDateTime) -> Option<Duration> {
        self.locked_until
            .filter(|until| clock::counts_until(*until, LockoutRules::WINDOW, now))
            .map(|until| until - now)
    }
}

impl LockoutRules {
    /// How long a lock holds at the most.
    pub const WINDOW: Duration = Duration::minutes(15);

    /// How long attempts are refused unheard; `None` when one may be made. Closed for good looks like a lock that
    /// has just begun.
    pub fn refused_for(&self, counter: &AttemptCounter, now: OffsetDateTime) -> Option<Duration> {
        if counter.in_a_row >= self.most_in_a_row {
            Some(self.window)
        } else {
            counter.locked_for(now)
        }
    }

    /// The counter after one more failure. The reference for what stores do in one conditional write.
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
