//! The system clocks.

use std::time::Duration;

use authentication_app::ports::Ticks;
use common::{Clock, clock::truncate_to_micros};
use rustix::time::{ClockId, clock_gettime};
use time::OffsetDateTime;

/// The wall clock of the operating system, in UTC with microsecond precision. It may jump; the running
/// service uses [`authentication_app::timekeeping::ServiceClock`].
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

/// The wall clock and the monotonic clock of the operating system. The monotonic clock is `CLOCK_BOOTTIME`,
/// which unlike the standard library's keeps counting while the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub struct SystemTicks(Duration);

impl SystemTicks {
    /// Starts the monotonic clock now.
    pub fn new() -> Self {
        Self(since_boot())
    }
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
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
        since_boot().saturating_sub(self.0)
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
