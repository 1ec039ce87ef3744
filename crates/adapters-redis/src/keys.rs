//! The names of everything we keep in Redis.

use std::fmt::Display;

use authentication_app::{caching::Intent, ports::ThrottleKey};
use authentication_domain::{accounts::AccountId, sessions::SessionId};

/// What comes after the prefix.
const VERSION: &str = "v1:";

/// Names under one prefix. The version in front changes with what nodes tell each other: clock, tombstones,
/// counters and broadcast, which releases side by side share. Cached values have a version of their own,
/// so that no release reads another's.
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

    /// What [`Self::changed`] puts before an account's id; a script that finds the id adds it itself.
    pub(crate) fn changed_prefix(&self) -> String {
        self.name(Self::CHANGED, "")
    }

    pub(crate) fn clock(&self) -> String {
        self.name("clock", "")
    }

    /// The counter of one key in windows of one length; their parts are `width` milliseconds long.
    pub(crate) fn throttle(&self, key: &ThrottleKey, width: i64) -> String {
        self.name("throttle:", format_args!("{width}:{}", key.0))
    }

    /// A key that is there for the time of one script at the most.
    pub(crate) fn probe(&self) -> String {
        self.name("probe", "")
    }

    /// A key of `doctor`'s that is there for a second at the most.
    pub(crate) fn rights(&self) -> String {
        self.name("rights", "")
    }

    /// What all names begin with, as it was configured.
    pub(crate) fn prefix(&self) -> &str {
        self.root.strip_suffix(VERSION).unwrap_or(&self.root)
    }

    /// A channel; the only name here that is not a key.
    pub(crate) fn revocations(&self) -> String {
        self.name("revocations", "")
    }

    const CHANGED: &str = "changed:";

    fn name(&self, kind: &str, of: impl Display) -> String {
        format!("{}{kind}{of}", self.root)
    }
}
