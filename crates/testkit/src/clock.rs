//! A clock that a test sets.

use std::sync::atomic::{AtomicI64, Ordering};

use common::clock::{Clock, from_micros, to_micros};
use time::{Duration, OffsetDateTime, macros::datetime};

/// The start time of a [`TestClock`], and "now" for the builders.
pub const START: OffsetDateTime = datetime!(2026-03-02 09:00 UTC);

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct TestClock {
    micros: AtomicI64,
}

impl TestClock {
    /// A clock at [`START`].
    pub fn new() -> Self {
        Self::at(START)
    }

    /// A clock at `now`.
    pub fn at(now: OffsetDateTime) -> Self {
        Self {
            micros: AtomicI64::new(to_micros(now)),
        }
    }

    /// Sets the clock to `now`, which may be earlier than before.
    pub fn set(&self, now: OffsetDateTime) {
        self.micros.store(to_micros(now), Ordering::SeqCst);
    }

    /// Advances the clock; a negative duration moves it back.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.whole_microseconds()).expect("a duration within reason");
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TestClock {
    fn now(&self) -> OffsetDateTime {
        from_micros(self.micros.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_passes_only_when_told() {
        let clock = TestClock::new();
        assert_eq!(clock.now(), START);
        clock.advance(Duration::seconds(90));
        clock.advance(-Duration::MICROSECOND);
        assert_eq!(
            clock.now(),
            START + Duration::seconds(90) - Duration::MICROSECOND
        );
        clock.set(START - Duration::days(1));
        assert_eq!(clock.now(), START - Duration::days(1));
    }
}
