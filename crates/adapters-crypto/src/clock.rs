//! The system's clock.

use common::{Clock, clock::truncate_to_micros};
use time::OffsetDateTime;

/// The time of the operating system, in UTC, to the microsecond.
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
