//! Requesting the code of a challenge again. This grants no new tries.

use authentication_domain::{
    audit::{Action, Outcome},
    opaque_token::OpaqueToken,
};

use super::{Challenges, IssuedChallenge, SendError, Sending};
use crate::{
    RequestContext,
    ports::StoreError,
    recorder::Act,
    retry::{MayBeRetried, retrying},
};

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ResendError {
    /// The challenge is unknown, expired or proven.
    #[error("the challenge does not count any more")]
    UnknownChallenge,
    /// No message was queued.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl From<StoreError> for ResendError {
    fn from(error: StoreError) -> Self {
        Self::Send(error.into())
    }
}

impl MayBeRetried for ResendError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::UnknownChallenge => false,
            Self::Send(error) => error.is_retryable(),
        }
    }
}

impl Challenges {
    /// Sends a new code, which voids the old one, unless one was sent within the last minute.
    ///
    /// # Errors
    /// [`ResendError`].
    #[tracing::instrument(skip_all)]
    pub async fn resend(
        &self,
        challenge: &OpaqueToken,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, ResendError> {
        retrying(|| self.resend_once(challenge, ctx)).await
    }

    async fn resend_once(
        &self,
        challenge: &OpaqueToken,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, ResendError> {
        let base = &self.base;
        let now = base.clock.now();
        let digest = challenge.digest();
        let mut unit = base.store.begin().await?;
        let live = unit
            .challenges()
            .lock_live(digest, now)
            .await?
            .ok_or(ResendError::UnknownChallenge)?;
        let payload = base.open_payload(digest, &live.payload)?;
        let to = Sending {
            subject: live.subject,
            purpose: live.purpose,
            typed_identifier: payload.for_its_message(),
        };
        let dispatch = base.send_code(unit.as_mut(), to, ctx, now).await?;
        let act = Act::on_identifier(Action::CodeRequested, Outcome::Success, live.subject);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        base.messages_queued.notify_one();
        Ok(base.describe(
            challenge.expose(),
            live.channel,
            payload.sent_to,
            dispatch,
            now,
        ))
    }
}
