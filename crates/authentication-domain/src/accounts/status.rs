//! The lifecycle of an account.
//!
//! ```text
//!            activate             suspend
//! Pending ─────────────▶ Active ◀─────────▶ Suspended
//!    │                     │ ▲  reactivate      │
//!    │ delete       delete │ │ restore          │ delete
//!    └───────────────────▶ Deleted ◀────────────┘
//! ```

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// The lifecycle state of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum AccountStatus {
    /// Invited, but the person has not proven the identifier yet.
    Pending,
    /// In use.
    Active,
    /// Suspended by staff. All data is kept, sign-in is refused.
    Suspended {
        /// When it was suspended.
        since: OffsetDateTime,
    },
    /// Deleted by its owner. The data is erased when the grace period has passed.
    Deleted {
        /// When it was deleted.
        since: OffsetDateTime,
    },
}

/// Why an account cannot get a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Disclosed only to a person who has proven that the account is theirs.
    #[error("the account is suspended")]
    Suspended,
    /// Must look as if the account never existed.
    #[error("there is no such account")]
    Absent,
}

/// The current state does not allow this change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the account's state does not allow this")]
pub struct StatusChangeRefused;

impl AccountStatus {
    /// The name used in stores and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended { .. } => "suspended",
            Self::Deleted { .. } => "deleted",
        }
    }

    /// When the state began, for the states that record it.
    pub const fn since(self) -> Option<OffsetDateTime> {
        match self {
            Self::Pending | Self::Active => None,
            Self::Suspended { since } | Self::Deleted { since } => Some(since),
        }
    }

    /// Builds a state from stored values; `None` for an unknown name or an impossible combination.
    pub fn from_parts(name: &str, since: Option<OffsetDateTime>) -> Option<Self> {
        match (name, since) {
            ("pending", _) => Some(Self::Pending),
            ("active", _) => Some(Self::Active),
            ("suspended", Some(since)) => Some(Self::Suspended { since }),
            ("deleted", Some(since)) => Some(Self::Deleted { since }),
            _ => None,
        }
    }

    /// # Errors
    /// [`Closed`] for every state but [`AccountStatus::Active`].
    pub const fn gate(self) -> Result<(), Closed> {
        match self {
            Self::Active => Ok(()),
            Self::Suspended { .. } => Err(Closed::Suspended),
            Self::Pending | Self::Deleted { .. } => Err(Closed::Absent),
        }
    }

    /// The person proved the identifier.
    ///
    /// # Errors
    /// [`StatusChangeRefused`] unless pending.
    pub const fn activate(self) -> Result<Self, StatusChangeRefused> {
        match self {
            Self::Pending => Ok(Self::Active),
            _ => Err(StatusChangeRefused),
        }
    }

    /// Staff suspend the account.
    ///
    /// # Errors
    /// [`StatusChangeRefused`] unless active.
    pub const fn suspend(self, now: OffsetDateTime) -> Result<Self, StatusChangeRefused> {
        match self {
            Self::Active => Ok(Self::Suspended { since: now }),
            _ => Err(StatusChangeRefused),
        }
    }

    /// Staff lift the suspension.
    ///
    /// # Errors
    /// [`StatusChangeRefused`] unless suspended.
    pub const fn reactivate(self) -> Result<Self, StatusChangeRefused> {
        match self {
            Self::Suspended { .. } => Ok(Self::Active),
            _ => Err(StatusChangeRefused),
        }
    }

    /// The owner deletes the account. A suspended account can be deleted too: a suspension is no reason to
    /// keep data.
    ///
    /// # Errors
    /// [`StatusChangeRefused`] when it is deleted already.
    pub const fn delete(self, now: OffsetDateTime) -> Result<Self, StatusChangeRefused> {
        match self {
            Self::Deleted { .. } => Err(StatusChangeRefused),
            _ => Ok(Self::Deleted { since: now }),
        }
    }

    /// The owner undoes the deletion.
    ///
    /// # Errors
    /// [`StatusChangeRefused`] unless deleted.
    pub const fn restore(self) -> Result<Self, StatusChangeRefused> {
        match self {
            Self::Deleted { .. } => Ok(Self::Active),
            _ => Err(StatusChangeRefused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const ALL: [AccountStatus; 4] = [
        AccountStatus::Pending,
        AccountStatus::Active,
        AccountStatus::Suspended { since: NOW },
        AccountStatus::Deleted { since: NOW },
    ];

    #[test]
    fn only_an_active_account_passes_the_gate() {
        assert_eq!(AccountStatus::Active.gate(), Ok(()));
        assert_eq!(AccountStatus::Pending.gate(), Err(Closed::Absent));
        assert_eq!(
            AccountStatus::Suspended { since: NOW }.gate(),
            Err(Closed::Suspended)
        );
        assert_eq!(
            AccountStatus::Deleted { since: NOW }.gate(),
            Err(Closed::Absent)
        );
    }

    #[test]
    fn each_change_starts_from_the_states_that_allow_it() {
        let allowed = |change: fn(AccountStatus) -> Result<AccountStatus, StatusChangeRefused>| {
            ALL.map(|status| change(status).is_ok())
        };
        assert_eq!(
            allowed(AccountStatus::activate),
            [true, false, false, false]
        );
        assert_eq!(
            allowed(|status| status.suspend(NOW)),
            [false, true, false, false]
        );
        assert_eq!(
            allowed(AccountStatus::reactivate),
            [false, false, true, false]
        );
        assert_eq!(
            allowed(|status| status.delete(NOW)),
            [true, true, true, false]
        );
        assert_eq!(allowed(AccountStatus::restore), [false, false, false, true]);
    }

    #[test]
    fn a_state_survives_the_store() {
        for status in ALL {
            assert_eq!(
                AccountStatus::from_parts(status.as_str(), status.since()),
                Some(status)
            );
        }
        assert_eq!(AccountStatus::from_parts("suspended", None), None);
        assert_eq!(AccountStatus::from_parts("root", None), None);
    }
}
