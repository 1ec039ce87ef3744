//! Requests that were answered before (`Idempotency-Key`).

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::{Sealed, StoreError};

/// Digest of route, principal and key: the scope of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(pub [u8; 32]);

/// A request and its recorded answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The scope.
    pub key: IdempotencyKey,
    /// Keyed digest of the body, to tell a repetition from a misuse.
    pub fingerprint: [u8; 32],
    /// The outcome, sealed for the service.
    pub answer: Sealed,
    /// Until when it is replayed.
    pub expires_at: OffsetDateTime,
}

impl IdempotencyRecord {
    /// How long an answer is replayed.
    pub const REPLAYED_FOR: Duration = Duration::hours(24);
}

/// Writes within a unit of work, and the read before it.
#[async_trait]
pub trait IdempotencyLedger: Send {
    /// Records an answer in the unit that gives it. A rival in flight is waited for; `None` when this
    /// answer is now the recorded one, otherwise the one that was there (and the unit must be dropped).
    /// An expired record is replaced.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record(
        &mut self,
        record: &IdempotencyRecord,
        now: OffsetDateTime,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Removes an answer that may be given once. Of any number of rivals one gets `true`: the others must not give it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim(&mut self, key: IdempotencyKey) -> Result<bool, StoreError>;
}
