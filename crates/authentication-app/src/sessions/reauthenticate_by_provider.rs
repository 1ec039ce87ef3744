//! Re-authentication with the provider identity that opens the account, for owners without any other credential.

use authentication_domain::{
    audit::{Action, Outcome},
    federation::{ExternalPerson, ProviderName},
    opaque_token::TokenDigest,
};
use common::access::AuthenticationMethod;
use secrecy::SecretString;

use super::{Attempt, ReauthenticateError, Sessions, TokenSet};
use crate::{
    RepeatError,
    federation::{Federation, Unproven, in_session},
    ports::StoreError,
    recorder::Act,
    retry::{MayBeRetried, retrying},
};

/// Why the proof was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ReauthenticateByProviderError {
    /// The ID token is not valid, not for this service, or not for this session.
    #[error(transparent)]
    Unproven(#[from] Unproven),
    /// The identity is genuine, but does not open this account.
    #[error("the identity does not open the account")]
    AnotherIdentity,
    /// An error common to all proofs.
    #[error(transparent)]
    Renewal(#[from] ReauthenticateError),
}

impl From<StoreError> for ReauthenticateByProviderError {
    fn from(error: StoreError) -> Self {
        Self::Renewal(error.into())
    }
}

impl From<RepeatError> for ReauthenticateByProviderError {
    fn from(error: RepeatError) -> Self {
        Self::Renewal(error.into())
    }
}

impl MayBeRetried for ReauthenticateByProviderError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Unproven(Unproven::Store(error)) => error.is_retryable(),
            Self::Renewal(error) => error.is_retryable(),
            Self::Unproven(_) | Self::AnotherIdentity => false,
        }
    }
}

impl Sessions {
    /// Renews the time of the first factor with an ID token of the identity that opens the account. The token's
    /// nonce must have been issued in this session ([`Federation::issue_nonce_in_session`]); it is used up even
    /// when the identity is the wrong one.
    ///
    /// # Errors
    /// [`ReauthenticateByProviderError`].
    #[tracing::instrument(skip_all)]
    pub async fn reauthenticate_by_provider(
        &self,
        federation: &Federation,
        attempt: Attempt<'_>,
        id_token: &SecretString,
    ) -> Result<TokenSet, ReauthenticateByProviderError> {
        if let Some(tokens) = self.given_before(attempt).await? {
            return Ok(tokens);
        }
        let done = self.judge_identity(federation, attempt, id_token).await;
        if matches!(&done, Err(ReauthenticateByProviderError::Renewal(error)) if error.is_session_over())
            && let Some(tokens) = self.given_before(attempt).await?
        {
            return Ok(tokens);
        }
        attempt.repeatable.settle(done)
    }

    async fn judge_identity(
        &self,
        federation: &Federation,
        attempt: Attempt<'_>,
        id_token: &SecretString,
    ) -> Result<TokenSet, ReauthenticateByProviderError> {
        let Attempt { who, ctx, .. } = attempt;
        let proven = federation.prove(id_token).await;
        let key = self.base.data_key(&who.owner)?;
        let account = who.owner.account.id;
        let theirs = |outcome| {
            Act::of(Action::Reauthenticated, outcome, account, &key)
                .session(who.session)
                .at_provider(federation.name())
        };
        let (person, nonce) = federation.noted(proven, theirs, ctx).await?;
        let done =
            retrying(|| self.by_identity(attempt, &person, (federation.name(), nonce))).await;
        match done {
            Err(ReauthenticateByProviderError::Unproven(refused)) => {
                Ok(federation.noted(Err(refused), theirs, ctx).await?)
            }
            done => done,
        }
    }

    async fn by_identity(
        &self,
        attempt: Attempt<'_>,
        person: &ExternalPerson,
        (provider, nonce): (ProviderName, TokenDigest),
    ) -> Result<TokenSet, ReauthenticateByProviderError> {
        let base = &self.base;
        let Attempt { who, ctx, .. } = attempt;
        let now = base.clock.now();
        let owner = base.open_account(&who.owner)?;
        let mut unit = base.begin_as(who, now).await?;
        let nonce = in_session(provider, who, nonce, ctx, now);
        if !unit.federation().use_nonce(nonce).await? {
            drop(unit);
            // A concurrent request with the same idempotency key may have come first and used up the nonce.
            let given = self.given_before(attempt).await?;
            return given.ok_or_else(|| Unproven::UnknownNonce.into());
        }
        // Checked in the unit, so that a concurrent unlink comes either before or after.
        let identity = base.digest_of(&person.identity);
        if !unit.federation().opens(identity, owner.id()).await? {
            let outcome = Outcome::Refused("another_identity");
            let act = Act::of(Action::Reauthenticated, outcome, owner.id(), &owner.key)
                .session(who.session)
                .at_provider(provider);
            unit.audit().append(&[base.record(&act, ctx, now)]).await?;
            unit.commit().await?;
            return Err(ReauthenticateByProviderError::AnotherIdentity);
        }
        let method = AuthenticationMethod::Federated;
        Ok(self.renew(unit, attempt, &owner, method).await?)
    }
}
