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
#[expect(
    clippy::large_enum_variant,
    reason = "it is taken apart where it is made, and a box would cost every request an allocation"
)]
pub enum Recognised {
    /// A session that it remembers as live, with its account.
    Live(Bearer),
    /// We signed the token; whether its session lives, others know.
    Signed(AccessClaims),
}

/// A live session whose account may act, and what the token that named it is worth.
#[derive(Debug)]
pub struct Bearer {
    /// The session, with its account.
    pub session: SessionSnapshot,
    /// The token is from before the session's last proof, and opens nothing any more; but the answer of the request
    /// that gave the proof may be asked for again with it.
    pub is_outdated: bool,
}

impl Bearer {
    /// The session, if the token counts.
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
    /// The live session that an access token belongs to, with its account. Nothing is read from the store
    /// while the session is in a cache.
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
    pub async fn look_up(&self, claims: &AccessClaims) -> Result<Bearer, AuthenticateError> {
        let now = self.base.clock.now();
        let found = self.base.liveness.find(claims.session, now).await?;
        acting(found.ok_or(AuthenticateError::InvalidToken)?, claims)
    }
}

/// The session, if its account may act and is the one that the token names. A token from before the last proof is
/// told from one that was made with it: what a stolen token lacks, its owner's proof does not give it (OWASP ASVS
/// 5.0 V7.2.4).
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
