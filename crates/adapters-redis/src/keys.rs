//! The names of everything we keep in Redis.

use std::fmt::Display;

use authentication_app::ports::ThrottleKey;
use authentication_domain::{accounts::AccountId, sessions::SessionId};

/// Names under one prefix. The version in them changes with what the values mean, so that two releases
/// side by side do not read each other's.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    root: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            root: format!("{prefix}v1:"),
        }
    }

    pub(crate) fn session(&self, session: SessionId) -> String {
        self.name("session:", session)
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

    /// A channel; the only name here that is not a key.
    pub(crate) fn revocations(&self) -> String {
        self.name("revocations", "")
    }

    const CHANGED: &str = "changed:";

    fn name(&self, kind: &str, of: impl Display) -> String {
        format!("{}{kind}{of}", self.root)
    }
}
