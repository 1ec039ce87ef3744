//! Repeating the response to a proof that can be used only once.
//!
//! A client that got a 503, or no response at all, cannot know whether its request was carried out. When it repeats
//! the request, its proof (a code, a link, a ceremony) may be used up already. So the unit that uses up the proof
//! also records the response, for a short time, under the proof itself. When the response is given, a conditional
//! delete removes the record: a proof whose response was given counts as used, and of concurrent requests exactly
//! one gets the response. A remaining record is a response that no client received, and a repetition of the same
//! request gets it. See ADR 0057.

use authentication_domain::opaque_token::TokenDigest;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::{
    Awaited, Foundation, IdempotentRequest, RequestContext,
    idempotency::Earlier,
    ports::{IdempotencyKey, StoreError, UnitOfWork},
    retry::retrying,
};

/// How long a response is kept for a repetition: longer than a client waits between two tries.
const ANSWERED_AGAIN_FOR: Duration = Duration::minutes(2);

/// The kind of a proof. Each kind has one name, which separates its records from those of other kinds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SingleUse {
    /// A code that completes a registration or signs in.
    Code,
    /// A second factor of a pending sign-in.
    SecondFactor,
    /// A WebAuthn assertion that signs in.
    Passkey,
    /// A code or a link that sets a password.
    Reset,
    /// A code that changes the identifier.
    Identifier,
    /// A link in a notice.
    NoticeLink,
    /// A link that undoes a change of identifier.
    UndoLink,
    /// A WebAuthn attestation that adds a passkey.
    Enrolment,
    /// The nonce of an ID token that signs in.
    SignInNonce,
    /// The nonce of an ID token that links an identity.
    LinkNonce,
}

impl SingleUse {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Code => b"code",
            Self::SecondFactor => b"second-factor",
            Self::Passkey => b"passkey",
            Self::Reset => b"reset",
            Self::Identifier => b"identifier",
            Self::NoticeLink => b"notice-link",
            Self::UndoLink => b"undo-link",
            Self::Enrolment => b"enrolment",
            Self::SignInNonce => b"sign-in-nonce",
            Self::LinkNonce => b"link-nonce",
        }
    }
}

/// A presented proof, under which its response is recorded.
#[derive(Clone)]
pub(crate) struct Presented {
    request: IdempotentRequest,
    awaited: Awaited,
}

impl Presented {
    /// Takes what was issued (a challenge, a link) and what was returned with it. The device is part of the
    /// request, because the response may contain that device's token.
    pub(crate) fn new(
        kind: SingleUse,
        handed_out: TokenDigest,
        came_back: &[&[u8]],
        ctx: &RequestContext,
    ) -> Self {
        // Unambiguous encoding: a name without NUL, and then one input of fixed length.
        let key = Sha256::new()
            .chain_update(b"single-use\0")
            .chain_update(kind.as_bytes())
            .chain_update(b"\0")
            .chain_update(handed_out.0)
            .finalize();
        let device = ctx.claimed_device().map(|device| device.as_uuid());
        let mut body = Sha256::new();
        for part in came_back {
            body.update(Sha256::digest(part));
        }
        body.update(device.unwrap_or_default().as_bytes());
        Self {
            request: IdempotentRequest {
                key: IdempotencyKey(key.into()),
                body_digest: body.finalize().into(),
            },
            awaited: ctx.awaited.clone(),
        }
    }
}

/// The error of a use case that takes a single-use proof.
pub(crate) trait SingleUseError: From<StoreError> {
    /// The error for a proof that was used before.
    fn used_up() -> Self;

    /// Whether the proof was judged and rejected.
    fn is_refusal(&self) -> bool;
}

impl Foundation {
    /// Records the response in the unit that uses up the proof.
    ///
    /// This unit used up the proof, so no concurrent one did. A record that already exists under the key is the
    /// unclaimed response to an earlier proof of the same holder, and is replaced.
    ///
    /// # Errors
    /// [`StoreError::Retryable`] when another record was inserted in between.
    pub(crate) async fn record_single_use<T: Serialize + DeserializeOwned>(
        &self,
        unit: &mut dyn UnitOfWork,
        presented: &Presented,
        answer: &T,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let (request, lifetime) = (&presented.request, ANSWERED_AGAIN_FOR);
        for _ in 0..2 {
            if let Earlier::Nothing = self
                .record_answer(unit, request, answer, lifetime, now)
                .await?
            {
                return Ok(());
            }
            unit.idempotency().claim(request.key).await?;
        }
        Err(StoreError::Retryable)
    }

    /// Settles the response to a presented proof; every use case that takes one ends here.
    ///
    /// A success (`done`) is returned, unless a repetition was given the response first; if the client no longer
    /// waits, the record is left for a repetition. A refusal is checked again: if the same request was carried out
    /// before and its response was not received, `again` recreates it from the record.
    pub(crate) async fn settle_once<T, E, R>(
        &self,
        presented: &Presented,
        done: Result<T, E>,
        again: impl AsyncFnOnce(R) -> Result<Option<T>, StoreError>,
    ) -> Result<T, E>
    where
        E: SingleUseError,
        R: DeserializeOwned,
    {
        match done {
            Ok(answer) if !presented.awaited.is_so() || self.claim(presented).await? => Ok(answer),
            Ok(_) => Err(E::used_up()),
            Err(refused) if refused.is_refusal() => {
                match self.take_what_is_left(presented).await? {
                    Some(left) => again(left).await?.ok_or(refused),
                    None => Err(refused),
                }
            }
            failed => failed,
        }
    }

    /// The record of a response to the same request that was not received. Each record is given only once.
    pub(crate) async fn take_what_is_left<R: DeserializeOwned>(
        &self,
        presented: &Presented,
    ) -> Result<Option<R>, StoreError> {
        let now = self.clock.now();
        let Earlier::Same(left) = self.find_answer(&presented.request, now).await? else {
            return Ok(None);
        };
        Ok(self.claim(presented).await?.then_some(left))
    }

    async fn claim(&self, presented: &Presented) -> Result<bool, StoreError> {
        retrying(|| async {
            let mut unit = self.store.begin().await?;
            let claimed = unit.idempotency().claim(presented.request.key).await?;
            unit.commit().await?;
            Ok(claimed)
        })
        .await
    }
}
