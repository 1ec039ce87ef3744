//! The port's implementation.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use authentication_app::ports::{
    AuthorizationRequest, CodeGrant, IdentityProvider, ProviderError, ProviderRefusal,
};
use authentication_domain::federation::IdentityClaims;
use common::{Clock, SecureRandom};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    InvalidProvider, ProviderConfig,
    directory::{Directory, Known},
    exchange,
    verification::{NotVerified, verify},
};

/// Google, or another OpenID provider. It sends no request before it is first used.
pub struct OpenIdProvider {
    directory: Directory,
    proven: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
}

/// Counters and state of a provider, for monitoring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderFigures {
    /// ID tokens that were accepted, since the start.
    pub proven: u64,
    /// ID tokens and codes that were refused, since the start.
    pub refused: u64,
    /// ID tokens and codes that could not be judged, because the provider did not answer or cannot be trusted.
    pub unavailable: u64,
    /// Whether a circuit is open after consecutive failures.
    pub rests: bool,
}

impl OpenIdProvider {
    /// # Errors
    /// [`InvalidProvider`].
    pub fn new(
        config: ProviderConfig,
        clock: Arc<dyn Clock>,
        random: Arc<dyn SecureRandom>,
    ) -> Result<Self, InvalidProvider> {
        if config.client_ids.is_empty() {
            return Err(InvalidProvider::ClientIds);
        }
        let directory = Directory::new(config, clock, random)?;
        Ok(Self {
            directory,
            proven: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        })
    }

    /// Checks that the provider answers, and that its metadata can be trusted.
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] or [`ProviderError::Untrustworthy`].
    pub async fn examine(&self) -> Result<(), ProviderError> {
        self.directory.current().await.map(|_| ())
    }

    /// Its current counters and state.
    pub fn figures(&self) -> ProviderFigures {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ProviderFigures {
            proven: read(&self.proven),
            refused: read(&self.refused),
            unavailable: read(&self.unavailable),
            rests: self.directory.rests(),
        }
    }

    /// Counts the result of a verification.
    fn counted<T>(&self, answer: Result<T, ProviderError>) -> Result<T, ProviderError> {
        let count = match &answer {
            Ok(_) => &self.proven,
            Err(ProviderError::Refused(_) | ProviderError::MixedUp) => &self.refused,
            Err(ProviderError::Unavailable { .. } | ProviderError::Untrustworthy(_)) => {
                &self.unavailable
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn verify_by(&self, text: &str, known: &Known) -> Result<IdentityClaims, NotVerified> {
        let directory = &self.directory;
        verify(text, &directory.config, &known.keys, directory.now())
    }

    async fn verify_with(
        &self,
        id_token: &SecretString,
        known: &Arc<Known>,
    ) -> Result<IdentityClaims, ProviderError> {
        let text = id_token.expose_secret();
        let refusal = match self.verify_by(text, known) {
            Ok(claims) => return Ok(claims),
            Err(NotVerified::Refused(refusal)) => refusal,
            Err(NotVerified::UnknownKey) => match self.directory.newer_keys(known).await? {
                Some(newer) => match self.verify_by(text, &newer) {
                    Ok(claims) => return Ok(claims),
                    Err(NotVerified::Refused(refusal)) => refusal,
                    Err(NotVerified::UnknownKey) => ProviderRefusal::Signature,
                },
                None => ProviderRefusal::Signature,
            },
        };
        let provider = &self.directory.config.name;
        tracing::info!(
            reason = refusal.as_str(),
            provider,
            "an ID token does not count"
        );
        Err(refusal.into())
    }
}

#[async_trait]
impl IdentityProvider for OpenIdProvider {
    #[tracing::instrument(name = "provider.authorization_url", level = "debug", skip_all)]
    async fn authorization_url(
        &self,
        request: &AuthorizationRequest<'_>,
    ) -> Result<String, ProviderError> {
        let known = self.directory.current().await?;
        exchange::authorization_url(&self.directory.config, &known.metadata, request)
    }

    #[tracing::instrument(name = "provider.redeem", level = "debug", skip_all)]
    async fn redeem(&self, grant: &CodeGrant<'_>) -> Result<IdentityClaims, ProviderError> {
        self.counted(self.redeem_uncounted(grant).await)
    }

    #[tracing::instrument(name = "provider.verify", level = "debug", skip_all)]
    async fn verify(&self, id_token: &SecretString) -> Result<IdentityClaims, ProviderError> {
        self.counted(self.verify_uncounted(id_token).await)
    }
}

impl OpenIdProvider {
    async fn redeem_uncounted(
        &self,
        grant: &CodeGrant<'_>,
    ) -> Result<IdentityClaims, ProviderError> {
        let directory = &self.directory;
        let known = directory.current().await?;
        // RFC 9207 §2.4: the code goes only to the issuer that was asked. A provider that announced `iss` must send it.
        let is_the_one_asked = match grant.issuer {
            Some(issuer) => directory.config.is_issuer(issuer),
            None => !known.metadata.answers_name_the_issuer,
        };
        if !is_the_one_asked {
            return Err(ProviderError::MixedUp);
        }
        let exchange = exchange::redeem(&directory.config, &known.metadata, &directory.http, grant);
        let id_token = directory.exchanging(exchange).await?;
        self.verify_with(&id_token, &known).await
    }

    async fn verify_uncounted(
        &self,
        id_token: &SecretString,
    ) -> Result<IdentityClaims, ProviderError> {
        let known = self.directory.current().await?;
        self.verify_with(id_token, &known).await
    }
}
