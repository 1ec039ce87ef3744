//! When a thing was made and last changed (`TimeStampedModel` of the Django backend).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Creation and last change, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamps {
    /// Set once.
    pub created_at: OffsetDateTime,
    /// Moves with every change that a reader could notice.
    pub updated_at: OffsetDateTime,
}

impl Timestamps {
    /// Of a thing that is made now.
    pub const fn new(now: OffsetDateTime) -> Self {
        Self {
            created_at: now,
            updated_at: now,
        }
    }

    /// After a change at `now`. Never earlier than before: a node whose clock lags moves nothing back.
    #[must_use]
    pub fn touched(self, now: OffsetDateTime) -> Self {
        Self {
            updated_at: self.updated_at.max(now),
            ..self
        }
    }
}
