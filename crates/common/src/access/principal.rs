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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Id, access::Role};
    use time::macros::datetime;
    use uuid::Uuid;

    const AT: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn principal(role: Role) -> Principal {
        Principal {
            account: Id::from_uuid(Uuid::from_u128(1)),
            session: Id::from_uuid(Uuid::from_u128(2)),
            roles: role.into(),
            authenticated_at: AT,
        }
    }

    #[test]
    fn a_sign_in_is_recent_to_the_end_of_the_window() {
        let (who, window) = (principal(Role::Client), Duration::minutes(5));
        assert!(who.signed_in_recently(AT, window));
        assert!(who.signed_in_recently(AT + window, window));
        assert!(!who.signed_in_recently(AT + window + Duration::MICROSECOND, window));
    }

    #[test]
    fn one_may_what_a_role_gives() {
        assert!(principal(Role::Support).may(Permission::AuditRead));
        assert!(!principal(Role::Support).may(Permission::RolesManage));
        assert!(!principal(Role::Vendor).may(Permission::AuditRead));
    }
}
