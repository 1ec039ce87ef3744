//! From an access token to the one who acts.

use async_trait::async_trait;
use authentication_domain::directory::{AuthenticateToken, DirectoryError};
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

impl Sessions {
    /// The live session that an access token belongs to, with its account. Nothing is read from the store
    /// while the session is in a cache.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn authenticate(
        &self,
        access_token: &str,
    ) -> Result<SessionSnapshot, AuthenticateError> {
        let claims = self
            .base
            .signer
            .verify(access_token)
            .map_err(|_| AuthenticateError::InvalidToken)?;
        let now = self.base.clock.now();
        self.base
            .liveness
            .find(claims.session, now)
            .await?
            .filter(|snapshot| {
                let owner = &snapshot.owner.account;
                owner.id == claims.account && owner.gate().is_ok()
            })
            .ok_or(AuthenticateError::InvalidToken)
    }
}

#[async_trait]
impl AuthenticateToken for Sessions {
    async fn authenticate(&self, access_token: &str) -> Result<Principal, DirectoryError> {
        match Self::authenticate(self, access_token).await {
            Ok(snapshot) => Ok(snapshot.principal()),
            Err(AuthenticateError::InvalidToken) => Err(DirectoryError::Unknown),
            Err(AuthenticateError::Store(_)) => Err(DirectoryError::Unavailable),
        }
    }
}
