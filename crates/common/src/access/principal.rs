//! The one who acts.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{Permission, Roles};
use crate::Id;

/// Marks ids of accounts.
#[derive(Debug)]
pub enum Account {}
/// Marks ids of sessions.
#[derive(Debug)]
pub enum Session {}

/// How a person proved who they are (RFC 8176 names where it has one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticationMethod {
    /// A password: `pwd`.
    Password,
    /// A one-time code by mail or SMS: `otp`.
    OneTimeCode,
}

impl AuthenticationMethod {
    /// The value in the `amr` claim.
    pub const fn as_amr(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::OneTimeCode => "otp",
        }
    }
}

/// A signed-in person: who, through which session, and what they may do as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The account that acts.
    pub account: Id<Account>,
    /// The session through which it acts.
    pub session: Id<Session>,
    /// From the account's state, not from the token: a role taken away is gone at once.
    pub roles: Roles,
    /// When the person last proved who they are.
    pub authenticated_at: OffsetDateTime,
}

impl Principal {
    /// Whether any role of theirs gives `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.allow(permission)
    }

    /// Whether they proved who they are within `window` before `now` (a "recent sign-in").
    pub fn signed_in_recently(&self, now: OffsetDateTime, window: Duration) -> bool {
        now - self.authenticated_at <= window
    }
}
