//! Recorded responses to idempotent requests (`Idempotency-Key`).

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::{Sealed, StoreError};

/// Digest of route, principal and idempotency key: the scope of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(pub [u8; 32]);

/// A request and its recorded response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyRecord {
    /// The scope of the idempotency key.
    pub key: IdempotencyKey,
    /// Keyed digest of the body, to distinguish a repetition from reuse of the key for another request.
    pub fingerprint: [u8; 32],
    /// The response, sealed for the service.
    pub answer: Sealed,
    /// Until when it is replayed.
    pub expires_at: OffsetDateTime,
}

impl IdempotencyRecord {
    /// How long a response is replayed.
    pub const REPLAYED_FOR: Duration = Duration::hours(24);
}

/// Writes within a unit of work, and the read before it.
#[async_trait]
pub trait IdempotencyLedger: Send {
    /// Records a response in the unit that produces it, and waits for a concurrent request with the same key.
    /// `None` when this response is now the recorded one; otherwise returns the one that was recorded before, and
    /// the unit must be dropped. An expired record is replaced.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record(
        &mut self,
        record: &IdempotencyRecord,
        now: OffsetDateTime,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Deletes a response that may be given only once. Among concurrent calls, exactly one gets `true`; the others
    /// must not give it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim(&mut self, key: IdempotencyKey) -> Result<bool, StoreError>;
}
