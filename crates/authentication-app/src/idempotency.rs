//! Answering a repeated request with the answer it had.

use serde::{Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};

use crate::{
    Foundation, corrupt,
    ports::{IdempotencyKey, IdempotencyRecord, ServicePurpose, StoreError, UnitOfWork},
};

/// How long an answer is replayed.
pub(crate) const REPLAYED_FOR: Duration = IdempotencyRecord::REPLAYED_FOR;

/// A request that its client may repeat.
#[derive(Debug, Clone, Copy)]
pub struct IdempotentRequest {
    /// Digest of route, principal and the client's key.
    pub key: IdempotencyKey,
    /// SHA-256 of the body. It is keyed before it is stored.
    pub body_digest: [u8; 32],
}

/// What a key was used for before.
pub(crate) enum Earlier<T> {
    /// Nothing.
    Nothing,
    /// The same request.
    Same(T),
    /// Another one.
    Another,
}

impl Foundation {
    /// Looks for an earlier answer, before anything costly is done.
    pub(crate) async fn find_answer<T: DeserializeOwned>(
        &self,
        request: &IdempotentRequest,
        now: OffsetDateTime,
    ) -> Result<Earlier<T>, StoreError> {
        match self.store.find_idempotency_record(request.key, now).await? {
            Some(record) => self.compare(request, &record),
            None => Ok(Earlier::Nothing),
        }
    }

    /// Records the answer in the unit that gives it. Unless it is [`Earlier::Nothing`], a rival was first
    /// and the unit must be dropped.
    pub(crate) async fn record_answer<T: Serialize + DeserializeOwned>(
        &self,
        unit: &mut dyn UnitOfWork,
        request: &IdempotentRequest,
        answer: &T,
        now: OffsetDateTime,
    ) -> Result<Earlier<T>, StoreError> {
        let plain = serde_json::to_vec(answer).map_err(|error| StoreError::Failed(error.into()))?;
        let purpose = ServicePurpose::IdempotentAnswer;
        let record = IdempotencyRecord {
            key: request.key,
            fingerprint: self.macs.fingerprint(&request.body_digest),
            answer: self.vault.seal_for_service(purpose, &request.key.0, &plain),
            expires_at: now + REPLAYED_FOR,
        };
        match unit.idempotency().record(&record, now).await? {
            Some(earlier) => self.compare(request, &earlier),
            None => Ok(Earlier::Nothing),
        }
    }

    fn compare<T: DeserializeOwned>(
        &self,
        request: &IdempotentRequest,
        record: &IdempotencyRecord,
    ) -> Result<Earlier<T>, StoreError> {
        let macs = &self.macs;
        if !macs.is_fingerprint(&request.body_digest, &record.fingerprint) {
            return Ok(Earlier::Another);
        }
        let unreadable = || corrupt("idempotency_records", "answer");
        let purpose = ServicePurpose::IdempotentAnswer;
        let plain = self
            .vault
            .open_for_service(purpose, &record.key.0, &record.answer)
            .map_err(|_| unreadable())?;
        serde_json::from_slice(&plain)
            .map(Earlier::Same)
            .map_err(|_| unreadable())
    }
}
