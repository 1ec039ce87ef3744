//! The clocks of the system.

use std::time::{Duration, Instant};

use authentication_app::ports::Ticks;
use common::{Clock, clock::truncate_to_micros};
use time::OffsetDateTime;

/// The time of the operating system, in UTC, to the microsecond. It may jump: what serves asks
/// [`authentication_app::timekeeping::ServiceClock`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the system; everybody else asks the Clock port"
    )]
    fn now(&self) -> OffsetDateTime {
        truncate_to_micros(OffsetDateTime::now_utc())
    }
}

/// The two clocks of the operating system: the wall clock, and the one that never goes back.
#[derive(Debug, Clone, Copy)]
pub struct SystemTicks(Instant);

impl SystemTicks {
    /// From now on.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemTicks {
    fn default() -> Self {
        Self::new()
    }
}

impl Ticks for SystemTicks {
    fn wall(&self) -> OffsetDateTime {
        SystemClock.now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_what_a_store_would_give_back() {
        let now = SystemClock.now();
        assert_eq!(now, truncate_to_micros(now));
        assert!(now > time::macros::datetime!(2026-01-01 00:00 UTC));
    }
}
