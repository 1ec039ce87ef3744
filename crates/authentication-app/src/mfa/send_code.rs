//! Sending a code as the second factor of a sign-in.

use authentication_domain::{
    audit::{Action, Outcome},
    challenges::Purpose,
    mfa::SecondFactor,
    opaque_token::OpaqueToken,
};

use super::Mfa;
use crate::{
    RequestContext,
    challenges::{IssuedChallenge, ProofError, SendError, Sending},
    ports::{Channel, StoreError},
    recorder::Act,
    retry::{MayBeRetried, retrying},
};

/// Why no code was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendSecondFactorError {
    /// The challenge is not valid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// This sign-in may not be completed with a code that is sent.
    #[error("this second factor is not allowed here")]
    FactorNotAllowed,
    /// No message was queued.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl From<StoreError> for SendSecondFactorError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl MayBeRetried for SendSecondFactorError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Proof(error) => error.is_retryable(),
            Self::Send(error) => error.is_retryable(),
            Self::FactorNotAllowed => false,
        }
    }
}

impl Mfa {
    /// Sends a code to the account's address or number, for a sign-in whose first factor was not sent there.
    ///
    /// # Errors
    /// [`SendSecondFactorError`].
    #[tracing::instrument(skip_all)]
    pub async fn send_code(
        &self,
        challenge: &OpaqueToken,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, SendSecondFactorError> {
        let issued = retrying(|| self.send_once(challenge, ctx)).await?;
        self.base.messages_queued.notify_one();
        Ok(issued)
    }

    async fn send_once(
        &self,
        challenge: &OpaqueToken,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, SendSecondFactorError> {
        let base = &self.base;
        let now = base.clock.now();
        let pending = base.find_pending_sign_in(challenge).await?;
        if !pending.may_be_proven_with(SecondFactor::OneTimeCode) {
            return Err(SendSecondFactorError::FactorNotAllowed);
        }
        let subject = pending.record.sign_in.subject;
        let mut unit = base.store.begin().await?;
        let to = Sending {
            subject,
            purpose: Purpose::SecondFactor,
            typed_identifier: None,
        };
        let dispatch = base.send_code(unit.as_mut(), to, ctx, now).await?;
        let act = Act::on_identifier(Action::CodeRequested, Outcome::Success, subject)
            .about(Some(pending.owner.id()));
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        let identifier = &pending.owner.view.identifier;
        Ok(base.describe(
            challenge.expose(),
            Channel::of(identifier),
            identifier.masked(),
            dispatch,
            now,
        ))
    }
}
