//! The acting principal.

use time::{Duration, OffsetDateTime};

use super::{MissingProofs, Permission, Proofs, Roles};
use crate::{Id, clock::SKEW};

/// Type marker for account ids.
#[derive(Debug)]
pub enum Account {}
/// Type marker for session ids.
#[derive(Debug)]
pub enum Session {}

/// A signed-in person: the account, the session, and the current authorizations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The acting account.
    pub account: Id<Account>,
    /// The session in use.
    pub session: Id<Session>,
    /// Taken from the account's state, not from the token, so that revoking a role takes effect immediately.
    pub roles: Roles,
    /// What the person proved in this session, and when.
    pub proofs: Proofs,
    /// Whether a second factor is set up. If so, a recent sign-in requires a recent second factor as well.
    pub has_second_factor: bool,
    /// Whether the roles require a second factor that this session lacks. Until it is proven, the permissions
    /// of those roles do not apply.
    pub lacks_second_factor: bool,
}

impl Principal {
    /// Whether a role grants `permission` and the session has the required proofs.
    pub fn may(&self, permission: Permission) -> bool {
        self.roles.allow(permission) && !self.lacks_second_factor
    }

    /// Whether the person authenticated within `window` before `now` (a "recent sign-in"): with the first
    /// factor and, if one is set up, with a second one.
    pub fn signed_in_recently(&self, now: OffsetDateTime, window: Duration) -> bool {
        self.missing_for_recent(now, window).is_empty()
    }

    /// The factors that must be proven again for a recent sign-in. A proof more than [`SKEW`] in the future
    /// is not recent.
    pub fn missing_for_recent(&self, now: OffsetDateTime, window: Duration) -> MissingProofs {
        let is_recent = |at: OffsetDateTime| now - at <= window && at <= now + SKEW;
        MissingProofs {
            first: !is_recent(self.proofs.first.at),
            second: self.has_second_factor
                && !self.proofs.enrolled_second_at().is_some_and(is_recent),
        }
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
            proofs: Proofs::only(AuthenticationMethod::Password, AT),
            has_second_factor: false,
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

    /// OWASP ASVS 5.0 V7.5.1: neither factor replaces the other.
    #[test]
    fn each_factor_is_recent_by_itself() {
        use AuthenticationMethod::{OneTimeCode, Passkey, Password, RecoveryCode, Totp};
        let window = Duration::minutes(5);
        let old = AT - window - Duration::MICROSECOND;
        let missing = |proofs, has_second_factor| {
            let who = Principal {
                proofs,
                has_second_factor,
                ..principal(Role::Client)
            };
            let missing = who.missing_for_recent(AT, window);
            assert_eq!(who.signed_in_recently(AT, window), missing.is_empty());
            (missing.first, missing.second)
        };
        for (proofs, without, with) in [
            (Proofs::only(Password, AT), (false, false), (false, true)),
            (Proofs::only(Password, old), (true, false), (true, true)),
            (
                Proofs::only(Password, AT).and(Totp, AT),
                (false, false),
                (false, false),
            ),
            (
                Proofs::only(Password, AT).and(Totp, old),
                (false, false),
                (false, true),
            ),
            (
                Proofs::only(Password, old).and(Totp, AT),
                (true, false),
                (true, false),
            ),
            (
                Proofs::only(Password, AT).and(RecoveryCode, AT),
                (false, false),
                (false, false),
            ),
            (
                Proofs::only(Password, AT).and(OneTimeCode, AT),
                (false, false),
                (false, true),
            ),
            (Proofs::only(Passkey, AT), (false, false), (false, false)),
            (
                Proofs::only(Passkey, AT).and(Totp, old),
                (false, false),
                (false, false),
            ),
            (Proofs::only(Passkey, old), (true, false), (true, true)),
        ] {
            assert_eq!(missing(proofs, false), without, "{proofs:?}");
            assert_eq!(missing(proofs, true), with, "{proofs:?}");
        }
    }

    #[test]
    fn one_may_what_a_role_gives() {
        assert!(principal(Role::Support).may(Permission::AuditRead));
        assert!(!principal(Role::Support).may(Permission::RolesManage));
        assert!(!principal(Role::Vendor).may(Permission::AuditRead));
    }
}
