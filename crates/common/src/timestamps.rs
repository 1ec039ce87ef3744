//! Creation and modification times (`TimeStampedModel` of the Django backend).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Times of creation and of the last change, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamps {
    /// When it was created. Never changes.
    pub created_at: OffsetDateTime,
    /// When it last changed in a way that a reader can notice.
    pub updated_at: OffsetDateTime,
}

impl Timestamps {
    /// The timestamps of something created at `now`.
    pub const fn new(now: OffsetDateTime) -> Self {
        Self {
            created_at: now,
            updated_at: now,
        }
    }

    /// The timestamps after a change at `now`. A node with a slow clock never moves the time back.
    #[must_use]
    pub fn touched(self, now: OffsetDateTime) -> Self {
        Self {
            updated_at: self.updated_at.max(now),
            ..self
        }
    }
}
