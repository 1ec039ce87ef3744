//! Signing in with an ID token that the client brings.

use common::access::Role;
use secrecy::SecretString;

use super::{
    EnterError, Entered, Federation,
    enter::{Arrival, Once},
    nonce_of,
};
use crate::{
    RequestContext, measured,
    ports::{Measure, ProviderError, SignInMethod},
};

/// What the provider gave the client.
#[derive(Debug)]
pub struct SignInWithToken {
    /// The ID token.
    pub id_token: SecretString,
    /// What the person is to be, if they have no account yet.
    pub role: Option<Role>,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInWithTokenError {
    /// The provider is away, or does not vouch for anybody.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// It does, and nobody gets in all the same.
    #[error(transparent)]
    Enter(#[from] EnterError),
}

impl Federation {
    /// Signs in with an ID token (`POST /auth/google`). Its nonce must be one of ours, and is used up.
    ///
    /// # Errors
    /// [`SignInWithTokenError`].
    #[tracing::instrument(skip_all)]
    pub async fn sign_in(
        &self,
        command: &SignInWithToken,
        ctx: &RequestContext,
    ) -> Result<Entered, SignInWithTokenError> {
        let done = self.sign_in_once(command, ctx).await;
        let outcome = measured::of_token_sign_in(&done);
        self.base
            .meter
            .note(Measure::SignIn(SignInMethod::Google, outcome));
        done
    }

    async fn sign_in_once(
        &self,
        command: &SignInWithToken,
        ctx: &RequestContext,
    ) -> Result<Entered, SignInWithTokenError> {
        let role = super::enter::role_of_newcomer(command.role)?;
        let claims = self.provider.verify(&command.id_token).await?;
        let nonce = nonce_of(&claims).ok_or(EnterError::UnknownNonce)?;
        let person = self.judge(claims).map_err(EnterError::from)?;
        let arrival = Arrival {
            person,
            once: Once::Nonce(nonce.digest()),
            role,
        };
        Ok(self.enter(&arrival, ctx).await?)
    }
}
