//! Answering a repeated request with the answer it had.

use serde::{Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};

use crate::{
    Foundation, corrupt,
    ports::{IdempotencyKey, IdempotencyRecord, ServicePurpose, StoreError, UnitOfWork},
    retry::{MayBeRetried, retry_on_store_error},
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

/// A request of somebody who is signed in that ends the token it came with: whoever repeats it with its key, because
/// the answer got lost, brings that token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repeatable {
    /// The key, where the client sent one.
    pub request: Option<IdempotentRequest>,
    /// The token is from before a proof: it may ask for an earlier answer, and for nothing else.
    pub token_is_outdated: bool,
}

impl Repeatable {
    /// What came of the request in the end: where its units were given up again and again, a rival with the same key
    /// is what they waited for.
    pub(crate) fn settle<T, E>(self, done: Result<T, E>) -> Result<T, E>
    where
        E: MayBeRetried + From<RepeatError>,
    {
        match done {
            Err(error) if error.is_retryable() && self.request.is_some() => {
                Err(RepeatError::InProgress.into())
            }
            done => done,
        }
    }
}

/// Why a request with a key has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RepeatError {
    /// The key came with another request before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The same request is being answered, and was waited for long enough.
    #[error("a request with the same idempotency key is in progress")]
    InProgress,
    /// There is no earlier answer, and the token counts for nothing else.
    #[error("the access token is from before a proof")]
    OutdatedToken,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RepeatError);

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
    /// The earlier answer of a request that is repeated. To be asked before anything is judged, and again before a
    /// refusal is counted: the same request may have been answered meanwhile, which used up what it proved.
    pub(crate) async fn answer_before<T: DeserializeOwned>(
        &self,
        repeatable: Repeatable,
        now: OffsetDateTime,
    ) -> Result<Option<T>, RepeatError> {
        let earlier = match &repeatable.request {
            Some(request) => self.find_answer(request, now).await?,
            None => Earlier::Nothing,
        };
        match earlier {
            Earlier::Same(answer) => Ok(Some(answer)),
            Earlier::Another => Err(RepeatError::KeyReused),
            Earlier::Nothing if repeatable.token_is_outdated => Err(RepeatError::OutdatedToken),
            Earlier::Nothing => Ok(None),
        }
    }

    /// Records the answer in the unit that gives it. `Some` when a rival was first: then the unit must be dropped,
    /// and that is the answer.
    pub(crate) async fn record_repeatable<T: Serialize + DeserializeOwned>(
        &self,
        unit: &mut dyn UnitOfWork,
        repeatable: Repeatable,
        answer: &T,
        now: OffsetDateTime,
    ) -> Result<Option<T>, RepeatError> {
        let Some(request) = &repeatable.request else {
            return Ok(None);
        };
        let recorded = self.record_answer(unit, request, answer, REPLAYED_FOR, now);
        match recorded.await? {
            Earlier::Nothing => Ok(None),
            Earlier::Same(answer) => Ok(Some(answer)),
            Earlier::Another => Err(RepeatError::KeyReused),
        }
    }

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

    /// Records the answer in the unit that gives it, for as long as `lifetime`. Unless it is [`Earlier::Nothing`], a rival was first
    /// and the unit must be dropped.
    pub(crate) async fn record_answer<T: Serialize + DeserializeOwned>(
        &self,
        unit: &mut dyn UnitOfWork,
        request: &IdempotentRequest,
        answer: &T,
        lifetime: Duration,
        now: OffsetDateTime,
    ) -> Result<Earlier<T>, StoreError> {
        let plain = serde_json::to_vec(answer).map_err(|error| StoreError::Failed(error.into()))?;
        let purpose = ServicePurpose::IdempotentAnswer;
        let record = IdempotencyRecord {
            key: request.key,
            fingerprint: self.macs.fingerprint(&request.body_digest),
            answer: self.vault.seal_for_service(purpose, &request.key.0, &plain),
            expires_at: now + lifetime,
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
