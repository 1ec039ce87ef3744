//! Answers a repeated request with its recorded response.

use serde::{Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};

use crate::{
    Foundation, corrupt,
    ports::{IdempotencyKey, IdempotencyRecord, ServicePurpose, StoreError, UnitOfWork},
    retry::{MayBeRetried, retry_on_store_error},
};

/// How long a response is replayed.
pub(crate) const REPLAYED_FOR: Duration = IdempotencyRecord::REPLAYED_FOR;

/// A request that its client may repeat.
#[derive(Debug, Clone, Copy)]
pub struct IdempotentRequest {
    /// Digest of route, principal and the client's key.
    pub key: IdempotencyKey,
    /// SHA-256 of the body. It is keyed before it is stored.
    pub body_digest: [u8; 32],
}

/// The idempotency of an authenticated request that invalidates its own access token. If the response is lost, the
/// client repeats the request with its idempotency key and the now outdated token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Repeatable {
    /// The idempotency key and body, if the client sent a key.
    pub request: Option<IdempotentRequest>,
    /// Whether the token predates a proof: it may then only replay an earlier response.
    pub token_is_outdated: bool,
}

impl Repeatable {
    /// The final result of the request. If its units were aborted repeatedly, they were waiting for a concurrent
    /// request with the same key.
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

/// Why a request with an idempotency key has no response.
#[derive(Debug, thiserror::Error)]
pub enum RepeatError {
    /// The key was already used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The same request is still in progress, and the wait for its response timed out.
    #[error("a request with the same idempotency key is in progress")]
    InProgress,
    /// There is no earlier response, and the outdated token is valid for nothing else.
    #[error("the access token is from before a proof")]
    OutdatedToken,
    /// The store failed.
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
    /// Another request.
    Another,
}

impl Foundation {
    /// The earlier response to a repeated request. Must be looked up before anything is judged, and again before a
    /// refusal is counted: a concurrent repetition may have been answered meanwhile, which used up the proof.
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

    /// Records the response in the unit that produces it. `Some` with the recorded response when a concurrent
    /// request came first; the unit must be dropped then.
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

    /// Looks up an earlier response, before anything costly is done.
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

    /// Records the response in the unit that produces it, for as long as `lifetime`. On anything but
    /// [`Earlier::Nothing`], a concurrent request came first and the unit must be dropped.
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
