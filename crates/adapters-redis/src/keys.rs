//! The names of all keys and channels that the service uses in Redis.

use std::fmt::Display;

use authentication_app::{caching::Intent, ports::ThrottleKey};
use authentication_domain::{accounts::AccountId, sessions::SessionId};

/// The version of the key layout, which follows the prefix.
const VERSION: &str = "v1:";

/// Names under one prefix. The leading version changes with everything that nodes exchange and that releases running
/// side by side share: clock, tombstones, counters and broadcast. Cached values have their own version, so that no
/// release reads the values of another.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    root: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            root: format!("{prefix}{VERSION}"),
        }
    }

    pub(crate) fn session(&self, intent: &Intent, session: SessionId) -> String {
        self.name("", intent.key(session))
    }

    pub(crate) fn ended(&self, session: SessionId) -> String {
        self.name("ended:", session)
    }

    pub(crate) fn changed(&self, account: AccountId) -> String {
        self.name(Self::CHANGED, account)
    }

    /// What [`Self::changed`] puts before an account's id. A script that reads the id from a snapshot appends it.
    pub(crate) fn changed_prefix(&self) -> String {
        self.name(Self::CHANGED, "")
    }

    pub(crate) fn clock(&self) -> String {
        self.name("clock", "")
    }

    /// The counter of one throttle key for one window length, whose parts are `width` milliseconds long.
    pub(crate) fn throttle(&self, key: &ThrottleKey, width: i64) -> String {
        self.name("throttle:", format_args!("{width}:{}", key.0))
    }

    /// A key that exists for the duration of one script at most.
    pub(crate) fn probe(&self) -> String {
        self.name("probe", "")
    }

    /// A key of `doctor` that exists for one second at most.
    pub(crate) fn rights(&self) -> String {
        self.name("rights", "")
    }

    /// The configured prefix of all names.
    pub(crate) fn prefix(&self) -> &str {
        self.root.strip_suffix(VERSION).unwrap_or(&self.root)
    }

    /// The broadcast channel; the only name here that is not a key.
    pub(crate) fn revocations(&self) -> String {
        self.name("revocations", "")
    }

    const CHANGED: &str = "changed:";

    fn name(&self, kind: &str, of: impl Display) -> String {
        format!("{}{kind}{of}", self.root)
    }
}
