//! Requesting a code to sign in with, or to reset the password with.
//!
//! No account is looked up: only the worker that sends the message finds out whether the identifier has one, so the
//! response cannot reveal it.

use authentication_domain::{
    accounts::Identifier,
    audit::{Action, Outcome},
    challenges::Purpose,
};

use super::{Challenges, CodeRequest, IssuedChallenge, SendError};
use crate::{RequestContext, recorder::Act, retry::retrying};

impl Challenges {
    /// Issues a challenge for signing in by code (`POST /auth/login/otp`).
    ///
    /// # Errors
    /// [`SendError`].
    #[tracing::instrument(skip_all)]
    pub async fn request_sign_in(
        &self,
        identifier: &Identifier,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, SendError> {
        retrying(|| self.request(identifier, Purpose::SignIn, ctx)).await
    }

    /// Issues a challenge for setting a new password (`POST /auth/password/reset`).
    ///
    /// # Errors
    /// [`SendError`].
    #[tracing::instrument(skip_all)]
    pub async fn request_password_reset(
        &self,
        identifier: &Identifier,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, SendError> {
        retrying(|| self.request(identifier, Purpose::PasswordReset, ctx)).await
    }

    async fn request(
        &self,
        identifier: &Identifier,
        purpose: Purpose,
        ctx: &RequestContext,
    ) -> Result<IssuedChallenge, SendError> {
        let base = &self.base;
        let now = base.clock.now();
        let keys = base.index_keys(identifier).await?;
        let subject = keys.subject;
        let request = CodeRequest {
            identifier,
            keys,
            purpose,
            pending: None,
        };
        let draft = base.draft_challenge(&request, now);
        let act = Act::on_identifier(Action::CodeRequested, Outcome::Success, subject);
        let entry = base.record(&act, ctx, now);
        let mut unit = base.store.begin().await?;
        let issued = base.issue(unit.as_mut(), draft, ctx, now).await?;
        unit.audit().append(&[entry]).await?;
        unit.commit().await?;
        base.messages_queued.notify_one();
        Ok(issued)
    }
}
