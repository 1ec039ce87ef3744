//! Sign-in with an ID token that the client presents.

use authentication_domain::audit::Action;
use common::access::Role;
use secrecy::{ExposeSecret as _, SecretString};

use super::{EnterError, Entered, Federation, Once, enter::Arrival};
use crate::{
    RequestContext, measured,
    recorder::Act,
    sessions::RecordedSignIn,
    single_use::{Presented, SingleUse},
};

/// What the provider gave to the client.
#[derive(Debug)]
pub struct SignInWithToken {
    /// The ID token.
    pub id_token: SecretString,
    /// The role for a new account.
    pub role: Option<Role>,
}

impl Federation {
    /// Signs in with an ID token (`POST /auth/providers/{name}`). Its nonce must have been issued here, and is used
    /// up.
    ///
    /// # Errors
    /// [`EnterError`].
    #[tracing::instrument(skip_all)]
    pub async fn sign_in(
        &self,
        command: &SignInWithToken,
        ctx: &RequestContext,
    ) -> Result<Entered, EnterError> {
        let done = self.sign_in_once(command, ctx).await;
        self.note_sign_in(measured::of_entered(&done));
        done
    }

    async fn sign_in_once(
        &self,
        command: &SignInWithToken,
        ctx: &RequestContext,
    ) -> Result<Entered, EnterError> {
        let role = super::enter::role_of_newcomer(command.role)?;
        let proven = self.prove(&command.id_token).await;
        let by_nobody = |outcome| Act::of_nobody(Action::SignIn, outcome).at_provider(self.name());
        let (person, nonce) = self.noted(proven, by_nobody, ctx).await?;
        let token = command.id_token.expose_secret().as_bytes();
        let presented = Presented::new(SingleUse::SignInNonce, nonce, &[token], ctx);
        let arrival = Arrival {
            person,
            once: Once::Nonce(self.name(), nonce),
            role,
            presented: Some(presented.clone()),
        };
        let entered = self.enter(&arrival, ctx).await;
        let again = async |recorded: RecordedSignIn| {
            let answered = self.base.sign_in_again(recorded).await?;
            Ok(answered.map(Entered::from))
        };
        self.base.settle_once(&presented, entered, again).await
    }
}
