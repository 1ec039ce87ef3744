//! Rate limits by address, identifier and route, and limits on guessing.

mod guessing;
mod limits;

pub(crate) use guessing::GuessingStopped;
pub use limits::{AttemptWindow, LimitStatus, Limits, WindowStatus, network_of};

use time::Duration;

/// A duration in whole seconds, rounded up; 0 when it is negative.
pub fn whole_seconds(duration: Duration) -> u32 {
    let nanos = duration.whole_nanoseconds().max(0);
    u32::try_from((nanos + 999_999_999) / 1_000_000_000).unwrap_or(u32::MAX)
}
