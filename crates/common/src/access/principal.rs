//! The one who acts.

use time::{Duration, OffsetDateTime};

use super::{Permission, Proofs, Roles};
use crate::{Id, clock::SKEW};

/// Marks ids of accounts.
#[derive(Debug)]
pub enum Account {}
/// Marks ids of sessions.
#[derive(Debug)]
pub enum Session {}

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
    /// What they proved it with.
    pub proofs: Proofs,
    /// Their roles ask for a second factor that this session has not proven: what only those roles may do
    /// has to wait for it.
    pub lacks_second_factor: bool,
}

impl Principal {
    /// Whether any role of theirs gives `permission`, and they proved enough to use it.
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.allow(permission) && !self.lacks_second_factor
    }

    /// Whether they proved who they are within `window` before `now` (a "recent sign-in").
    pub fn signed_in_recently(&self, now: OffsetDateTime, window: Duration) -> bool {
        now - self.authenticated_at <= window && self.authenticated_at <= now + SKEW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Id,
        access::{AuthenticationMethod, Role},
    };
    use time::macros::datetime;
    use uuid::Uuid;

    const AT: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn principal(role: Role) -> Principal {
        Principal {
            account: Id::from_uuid(Uuid::from_u128(1)),
            session: Id::from_uuid(Uuid::from_u128(2)),
            roles: role.into(),
            authenticated_at: AT,
            proofs: Proofs::only(AuthenticationMethod::Password),
            lacks_second_factor: false,
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
