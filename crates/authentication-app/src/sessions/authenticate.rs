//! Authenticates the session behind an access token.

use async_trait::async_trait;
use authentication_domain::{
    directory::{AuthenticateToken, DirectoryError},
    sessions::AccessClaims,
};
use common::access::Principal;

use super::Sessions;
use crate::ports::{SessionSnapshot, StoreError};

/// Why a token authenticates no session.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// Malformed, expired, or of an ended session; a client cannot distinguish these.
    #[error("the access token does not count")]
    InvalidToken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of checking an access token within this node, without any request.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made, and a box would cost every request an allocation"
)]
pub enum Recognised {
    /// The session is cached as live, with its account.
    Live(Bearer),
    /// The token's signature is valid; whether its session is live must be looked up.
    Signed(AccessClaims),
}

/// A live session whose account may act, and whether the presented token is current.
#[derive(Debug)]
pub struct Bearer {
    /// The session, with its account.
    pub session: SessionSnapshot,
    /// The token predates the session's last proof and is invalid. It may only be used to repeat the request that
    /// gave the proof, and get its recorded response.
    pub is_outdated: bool,
}

impl Bearer {
    /// The session, if the token is current.
    ///
    /// # Errors
    /// [`AuthenticateError::InvalidToken`].
    pub fn current(self) -> Result<SessionSnapshot, AuthenticateError> {
        if self.is_outdated {
            Err(AuthenticateError::InvalidToken)
        } else {
            Ok(self.session)
        }
    }
}

impl Sessions {
    /// The live session that an access token belongs to, with its account. Does not read the store while the
    /// session is cached.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    pub async fn authenticate(
        &self,
        access_token: &str,
    ) -> Result<SessionSnapshot, AuthenticateError> {
        let bearer = match self.recognise(access_token).await? {
            Recognised::Live(bearer) => bearer,
            Recognised::Signed(claims) => self.look_up(&claims).await?,
        };
        bearer.current()
    }

    /// The first half of [`Self::authenticate`]: computation and this node's cache only.
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

    /// The second half, for a session that is not cached on this node.
    ///
    /// # Errors
    /// [`AuthenticateError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn look_up(&self, claims: &AccessClaims) -> Result<Bearer, AuthenticateError> {
        let now = self.base.clock.now();
        let found = self.base.liveness.find(claims.session, now).await?;
        acting(found.ok_or(AuthenticateError::InvalidToken)?, claims)
    }
}

/// Returns the session if its account may act and is the one named in the token. A token issued before the last
/// proof is marked as outdated: the owner's proof must not extend what a stolen token can do (OWASP ASVS 5.0
/// V7.2.4).
fn acting(snapshot: SessionSnapshot, claims: &AccessClaims) -> Result<Bearer, AuthenticateError> {
    let owner = &snapshot.owner.account;
    if owner.id != claims.account || owner.gate().is_err() {
        return Err(AuthenticateError::InvalidToken);
    }
    Ok(Bearer {
        is_outdated: claims.generation < snapshot.proven_generation,
        session: SessionSnapshot {
            presented_generation: claims.generation,
            ..snapshot
        },
    })
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
