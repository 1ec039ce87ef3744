//! Deletion with a grace period (`SoftDeleteModel` of the Django backend).

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// Whether something is deleted, and when that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SoftDelete {
    deleted_at: Option<OffsetDateTime>,
}

impl SoftDelete {
    /// Restores the value read from a store.
    pub const fn from_deleted_at(deleted_at: Option<OffsetDateTime>) -> Self {
        Self { deleted_at }
    }

    /// Whether it is hidden from all use cases except restoring and erasing.
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// When it was deleted, if it was.
    pub const fn deleted_at(&self) -> Option<OffsetDateTime> {
        self.deleted_at
    }

    /// Marks it as deleted at `now`. A second deletion keeps the first time.
    #[must_use]
    pub fn delete(self, now: OffsetDateTime) -> Self {
        Self {
            deleted_at: self.deleted_at.or(Some(now)),
        }
    }

    /// Whether the grace period has passed, so that the data must be erased.
    pub fn is_due_for_erasure(&self, now: OffsetDateTime, grace: Duration) -> bool {
        self.deleted_at.is_some_and(|at| now >= at + grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn erasure_waits_for_the_whole_grace_period() {
        let at = datetime!(2026-01-01 00:00 UTC);
        let deleted = SoftDelete::default().delete(at);
        let grace = Duration::days(30);
        assert!(!deleted.is_due_for_erasure(at + grace - Duration::SECOND, grace));
        assert!(deleted.is_due_for_erasure(at + grace, grace));
        assert_eq!(
            deleted.delete(at + grace),
            deleted,
            "the first deletion counts"
        );
        assert!(!SoftDelete::default().is_due_for_erasure(at, grace));
    }

    #[test]
    fn what_was_deleted_is_gone_since_then() {
        let at = datetime!(2026-01-01 00:00 UTC);
        let there = SoftDelete::from_deleted_at(None);
        assert_eq!(there, SoftDelete::default());
        assert!(!there.is_deleted());
        let deleted = there.delete(at);
        assert!(deleted.is_deleted());
        assert_eq!(deleted.deleted_at(), Some(at));
        assert_eq!(SoftDelete::from_deleted_at(Some(at)), deleted);
    }
}
