//! Whoever vouches for people: an OpenID provider.

use std::fmt;

use async_trait::async_trait;
use authentication_domain::federation::IdentityClaims;
use secrecy::SecretString;
use time::Duration;

/// Where a person is sent.
pub struct AuthorizationRequest<'a> {
    /// Where they come back to: one of those that were registered with the provider.
    pub redirect_uri: &'a str,
    /// Comes back as it is.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// PKCE (RFC 7636): the provider gets its digest, and the verifier itself with the code.
    pub verifier: &'a SecretString,
}

/// What a person came back with.
pub struct CodeGrant<'a> {
    /// The authorization code.
    pub code: &'a SecretString,
    /// Who says that they gave it (RFC 9207 `iss`), if anybody.
    pub issuer: Option<&'a str>,
    /// Where they came back to.
    pub redirect_uri: &'a str,
    /// The one that the flow was begun with.
    pub verifier: &'a SecretString,
}

impl fmt::Debug for AuthorizationRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationRequest(…)")
    }
}

impl fmt::Debug for CodeGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeGrant(…)")
    }
}

/// What is wrong with a token or a code. For the log and the trail; clients are told no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderRefusal {
    /// No JWT, or claims of another type.
    #[error("the token cannot be read")]
    Unreadable,
    /// Not signed, by an algorithm that is not taken, or by nobody we know.
    #[error("the signature does not count")]
    Signature,
    /// Another issuer.
    #[error("the token is another issuer's")]
    Issuer,
    /// For somebody else (`aud`, `azp`).
    #[error("the token is for somebody else")]
    Audience,
    /// Too late, or too early.
    #[error("the token is out of its time")]
    Time,
    /// The provider takes no such code.
    #[error("the provider refused the code")]
    Code,
}

impl ProviderRefusal {
    /// The name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Code => "code",
        }
    }
}

/// Why a provider vouches for nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// What was brought does not count.
    #[error(transparent)]
    Refused(#[from] ProviderRefusal),
    /// The answer is not that of the provider that was asked (RFC 9207 §2.4): the person was led astray.
    /// The code was given to nobody.
    #[error("the answer is another provider's")]
    MixedUp,
    /// It cannot be reached, or does not answer as it should. Nothing was brought to it, or nobody knows.
    #[error("the identity provider is not available")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
    /// It says of itself what must not be believed.
    #[error("the identity provider's metadata is not to be trusted: {0}")]
    Untrustworthy(&'static str),
}

/// An OpenID provider, with everything about it that is computed or asked for.
#[async_trait]
pub trait IdentityProvider: Send + Sync {
    /// The address to which a person is sent (OpenID Connect Core 1.0 §3.1.2.1).
    ///
    /// # Errors
    /// [`ProviderError::Unavailable`] or [`ProviderError::Untrustworthy`].
    async fn authorization_url(
        &self,
        request: &AuthorizationRequest<'_>,
    ) -> Result<String, ProviderError>;

    /// Gives the code back for an ID token and verifies that, once. Who is said to have given the code is
    /// compared before anybody gets it.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn redeem(&self, grant: &CodeGrant<'_>) -> Result<IdentityClaims, ProviderError>;

    /// Verifies an ID token but for its nonce: signature, issuer, audience, authorized party and times
    /// (OpenID Connect Core 1.0 §3.1.3.7).
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn verify(&self, id_token: &SecretString) -> Result<IdentityClaims, ProviderError>;
}
