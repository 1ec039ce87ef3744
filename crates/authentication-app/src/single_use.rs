//! Answering a proof again that can be used once.
//!
//! A client that was answered 503, or not at all, cannot know whether the work was done. When it repeats the request,
//! what it proves with (a code, a link, a ceremony) may be used up already. So the unit that uses it up also records
//! the answer, for a short while, under the proof itself. Whoever gives the answer removes it in the same moment, by a
//! conditional delete: a proof that was answered once is used, and of any number of rivals one is answered. What is
//! left is an answer that nobody got, and the same request gets it when it is repeated. See ADR 0057.

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

/// How long an answer waits for a repeat: longer than a client waits between two tries.
const ANSWERED_AGAIN_FOR: Duration = Duration::minutes(2);

/// What kind of proof it is. One thing can be proven with in one way only, and the names keep ways apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SingleUse {
    /// A code that registers somebody, or signs them in.
    Code,
    /// A second factor of a sign-in that waits.
    SecondFactor,
    /// An assertion that signs somebody in.
    Passkey,
    /// A code or a link that sets a password.
    Reset,
    /// A code that changes the identifier.
    Identifier,
    /// A link of a notice.
    NoticeLink,
    /// A link that takes a change of identifier back.
    UndoLink,
    /// An attestation that adds a passkey.
    Enrolment,
    /// The nonce of an ID token that signs somebody in.
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

/// A proof that is presented, to record its answer under.
#[derive(Clone)]
pub(crate) struct Presented {
    request: IdempotentRequest,
    awaited: Awaited,
}

impl Presented {
    /// What was handed out (a challenge, a link), and what came back with it. The device counts as a part of the
    /// request: an answer may carry the token of that device.
    pub(crate) fn new(
        kind: SingleUse,
        handed_out: TokenDigest,
        came_back: &[&[u8]],
        ctx: &RequestContext,
    ) -> Self {
        // Two inputs of a fixed length each after a name that has no NUL: nothing runs into anything else.
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

/// Why a proof that can be used once led to nothing.
pub(crate) trait SingleUseError: From<StoreError> {
    /// What is said of a proof that was used before.
    fn used_up() -> Self;

    /// Whether the proof was judged, and does not count.
    fn is_refusal(&self) -> bool;
}

impl Foundation {
    /// Records the answer in the unit that uses the proof up.
    ///
    /// The unit used it up, so no rival did. What stands under its key already is the answer to an earlier proof of
    /// the same holder that nobody asked for again: it makes room.
    ///
    /// # Errors
    /// [`StoreError::Retryable`] when another record came in between.
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

    /// Settles what is answered to a proof that was presented: every use case that takes one ends here.
    ///
    /// What was `done` is given to this request, unless a repeat of it was quicker; where nobody waits any more, it is
    /// left for a repeat. A refusal is looked at again: if the same request was carried out before and nobody got the
    /// answer, `again` makes it from what was recorded.
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

    /// What was recorded for the same request that nobody got the answer to. It is given once.
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
