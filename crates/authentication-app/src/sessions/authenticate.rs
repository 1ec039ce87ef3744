//! From an access token to the one who acts.

use async_trait::async_trait;
use authentication_domain::{
    directory::{AuthenticateToken, DirectoryError},
    sessions::AccessClaims,
};
use common::access::Principal;

use super::Sessions;
use crate::ports::{SessionSnapshot, StoreError};

/// Why a token names nobody.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// Malformed, expired, or of a session that ended: all the same to a client.
    #[error("the access token does not count")]
    InvalidToken,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whom an access token names, as far as this node can tell without asking anybody.
#[derive(Debug)]
pub enum Recognised {
    /// A session that it remembers as live, with its account.
    Live(SessionSnapshot),
    /// We signed the token; whether its session lives, others know.
    Signed(AccessClaims),
}

impl Sessions {
    /// The live session that an access token belongs to, with its account. Nothing is read from the store
    /// while the session is in a cache.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub async fn authenticate(
        &self,
        access_token: &str,
    ) -> Result<SessionSnapshot, AuthenticateError> {
        match self.recognise(access_token).await? {
            Recognised::Live(snapshot) => Ok(snapshot),
            Recognised::Signed(claims) => self.look_up(&claims).await,
        }
    }

    /// The first half of [`Self::authenticate`]: what costs no more than computation.
    ///
    /// # Errors
    /// [`AuthenticateError::InvalidToken`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn recognise(&self, access_token: &str) -> Result<Recognised, AuthenticateError> {
        let signer = &self.base.signer;
        let claims = signer
            .verify(access_token)
            .map_err(|_| AuthenticateError::InvalidToken)?;
        let now = self.base.clock.now();
        match self.base.liveness.remembered(claims.session, now).await {
            Some(snapshot) => acting(snapshot, &claims).map(Recognised::Live),
            None => Ok(Recognised::Signed(claims)),
        }
    }

    /// The second half, for a session that this node does not remember.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn look_up(
        &self,
        claims: &AccessClaims,
    ) -> Result<SessionSnapshot, AuthenticateError> {
        let now = self.base.clock.now();
        let found = self.base.liveness.find(claims.session, now).await?;
        acting(found.ok_or(AuthenticateError::InvalidToken)?, claims)
    }
}

impl Sessions {
    /// Whether the person proved who they are a short while ago, with a second factor if they set one up: who
    /// has the password alone, or a device that skips the second factor, neither adds a way in nor takes one
    /// away.
    pub fn is_recent(&self, snapshot: &SessionSnapshot) -> bool {
        let window = self.base.rules.second_factors.recent_sign_in;
        let is_recent = self
            .principal(snapshot)
            .signed_in_recently(self.base.clock.now(), window);
        let proved_enough =
            snapshot.proofs.is_multi_factor() || !snapshot.owner.second_factors.is_enabled();
        is_recent && proved_enough
    }

    /// The one who acts through a session, by the policy of this service.
    pub fn principal(&self, snapshot: &SessionSnapshot) -> Principal {
        snapshot.principal(&self.base.rules.second_factors)
    }
}

/// The session, if its account may act and is the one that the token names, and nobody proved anew since the
/// token was made who they are: what a stolen token lacks, its owner's proof does not give it (OWASP ASVS 5.0
/// V7.2.4).
fn acting(
    snapshot: SessionSnapshot,
    claims: &AccessClaims,
) -> Result<SessionSnapshot, AuthenticateError> {
    let owner = &snapshot.owner.account;
    // A token says whole seconds.
    let is_of_the_last_proof =
        claims.authenticated_at.unix_timestamp() >= snapshot.authenticated_at.unix_timestamp();
    if owner.id == claims.account && is_of_the_last_proof && owner.gate().is_ok() {
        Ok(snapshot)
    } else {
        Err(AuthenticateError::InvalidToken)
    }
}

#[async_trait]
impl AuthenticateToken for Sessions {
    async fn authenticate(&self, access_token: &str) -> Result<Principal, DirectoryError> {
        match Self::authenticate(self, access_token).await {
            Ok(snapshot) => Ok(self.principal(&snapshot)),
            Err(AuthenticateError::InvalidToken) => Err(DirectoryError::Unknown),
            Err(AuthenticateError::Store(_)) => Err(DirectoryError::Unavailable),
        }
    }
}
