//! The clock in Redis that numbers loads and invalidations.

use deadpool_redis::redis::{Script, ScriptInvocation};
use time::Duration;

use crate::keys::Keys;

/// After a day without a load or an invalidation nothing is left that a number could be compared with.
pub(crate) const CLOCK_LIFE: Duration = Duration::DAY;

/// A script that asks the clock.
macro_rules! with_clock {
    ($file:literal) => {
        deadpool_redis::redis::Script::new(concat!(
            include_str!("lua/tick.lua"),
            include_str!($file)
        ))
    };
}
pub(crate) use with_clock;

/// Gives the next number: what every load of a session begins with.
pub(crate) struct BeginLoad(Script);

impl BeginLoad {
    pub(crate) fn new() -> Self {
        Self(with_clock!("lua/begin_load.lua"))
    }

    pub(crate) fn of<'a>(&'a self, keys: &Keys) -> ScriptInvocation<'a> {
        let mut call = self.0.prepare_invoke();
        call.key(keys.clock()).arg(millis(CLOCK_LIFE));
        call
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.whole_milliseconds()).unwrap_or(0)
}
