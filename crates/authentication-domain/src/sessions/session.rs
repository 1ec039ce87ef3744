//! The lifetime of sessions, and the reasons for their end.

use common::{Id, access::Roles};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// Identifies a session. It is the `sid` claim of its tokens.
pub type SessionId = Id<common::access::Session>;

/// The lifetimes of sessions and access tokens for one group of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Idle timeout: the session ends when it is not refreshed for this long.
    pub idle: Duration,
    /// Absolute timeout: the session ends this long after sign-in.
    pub absolute: Duration,
    /// Lifetime of an access token.
    pub access_token: Duration,
}

/// The limits of all groups. NIST SP 800-63B-4 §2: 30 days at most for members, 12 hours for staff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRules {
    /// Clients and vendors.
    pub members: SessionLimits,
    /// Anyone with a staff role. Access tokens of staff are short-lived so that the idle timeout of 15
    /// minutes is effective: only a refresh counts as activity.
    pub staff: SessionLimits,
    /// Maximum number of live sessions per account; one more ends the oldest.
    pub most_per_account: u32,
    /// Maximum number of known devices per account; one more removes the least recently used.
    pub most_devices: u32,
}

impl Default for SessionRules {
    fn default() -> Self {
        Self {
            members: SessionLimits {
                idle: Duration::days(14),
                absolute: Duration::days(30),
                access_token: Duration::minutes(10),
            },
            staff: SessionLimits {
                idle: Duration::minutes(15),
                absolute: Duration::hours(12),
                access_token: Duration::minutes(2),
            },
            most_per_account: 50,
            most_devices: 20,
        }
    }
}

impl SessionRules {
    /// The limits for these roles.
    pub fn limits_for(&self, roles: Roles) -> SessionLimits {
        if roles.is_staff() {
            self.staff
        } else {
            self.members
        }
    }
}

impl SessionLimits {
    /// The idle deadline of a session that was active at `now`, at most its absolute deadline.
    pub fn idle_deadline(
        &self,
        now: OffsetDateTime,
        absolute_deadline: OffsetDateTime,
    ) -> OffsetDateTime {
        absolute_deadline.min(now + self.idle)
    }

    /// The expiry of an access token issued at `now`, at most the session's absolute deadline.
    pub fn access_token_expiry(
        &self,
        now: OffsetDateTime,
        absolute_deadline: OffsetDateTime,
    ) -> OffsetDateTime {
        absolute_deadline.min(now + self.access_token)
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// The person ended it from another session.
    EndedByOwner,
    /// The account exceeded its maximum number of sessions.
    Superseded,
    /// The password was changed in another session.
    PasswordChanged,
    /// The password was reset.
    PasswordReset,
    /// A replaced refresh token was presented, so a copy of it exists.
    RefreshReuse,
    /// The account's identifier was changed in another session.
    IdentifierChanged,
    /// The owner reported a notified action as not theirs ("this was not me").
    Disowned,
    /// All second factors were removed from the account.
    FactorsReset,
    /// An identity at a provider was unlinked in another session.
    IdentityUnlinked,
    /// A second factor or a passkey was added or removed in another session.
    FactorsChanged,
    /// An operator ended it together with others.
    EndedByOperator,
    /// The database was restored to an earlier state, which may list sessions that have ended since.
    Restored,
}

impl EndReason {
    /// The name in stores, audit entries and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::EndedByOwner => "ended_by_owner",
            Self::Superseded => "superseded",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::RefreshReuse => "refresh_reuse",
            Self::IdentifierChanged => "identifier_changed",
            Self::Disowned => "disowned",
            Self::FactorsReset => "factors_reset",
            Self::IdentityUnlinked => "identity_unlinked",
            Self::FactorsChanged => "factors_changed",
            Self::EndedByOperator => "ended_by_operator",
            Self::Restored => "restored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::access::Role;
    use time::macros::datetime;

    #[test]
    fn staff_sessions_are_short_even_when_the_person_also_buys() {
        let rules = SessionRules::default();
        let both = Roles::from(Role::Client).with(Role::Support);
        assert_eq!(rules.limits_for(both), rules.staff);
        assert_eq!(rules.limits_for(Role::Vendor.into()), rules.members);
    }

    #[test]
    fn nothing_outlives_the_absolute_deadline() {
        let limits = SessionRules::default().members;
        let now = datetime!(2026-01-01 00:00 UTC);
        assert_eq!(
            limits.idle_deadline(now, now + Duration::days(30)),
            now + Duration::days(14)
        );
        assert_eq!(
            limits.idle_deadline(now, now + Duration::days(2)),
            now + Duration::days(2)
        );
        let soon = now + Duration::minutes(3);
        assert_eq!(limits.access_token_expiry(now, soon), soon);
    }
}
