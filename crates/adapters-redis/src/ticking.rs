//! The clock in Redis that numbers loads and invalidations.

use deadpool_redis::redis::{Script, ScriptInvocation};
use time::Duration;

use crate::keys::Keys;

/// The TTL of the clock. After a day without a load or an invalidation, no number is left to compare with.
pub(crate) const CLOCK_LIFE: Duration = Duration::DAY;

/// A script that uses the clock (`tick.lua`).
macro_rules! with_clock {
    ($file:literal) => {
        deadpool_redis::redis::Script::new(concat!(
            include_str!("lua/tick.lua"),
            include_str!($file)
        ))
    };
}
pub(crate) use with_clock;

/// Issues the next number. Every load of a session begins with it.
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
