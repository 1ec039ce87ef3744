//! An OpenID provider, which vouches for people.

use std::fmt;

use async_trait::async_trait;
use authentication_domain::federation::IdentityClaims;
use secrecy::SecretString;
use time::Duration;

/// The parameters of the authorization URL to which a person is sent.
pub struct AuthorizationRequest<'a> {
    /// Where the provider sends the person back to: a redirect URI registered with it.
    pub redirect_uri: &'a str,
    /// Returned unchanged with the code.
    pub state: &'a str,
    /// Returned in the ID token.
    pub nonce: &'a str,
    /// The PKCE verifier (RFC 7636): the provider first gets its digest, then the verifier itself together with the
    /// code.
    pub verifier: &'a SecretString,
}

/// What a person returned with.
pub struct CodeGrant<'a> {
    /// The authorization code.
    pub code: &'a SecretString,
    /// The issuer that claims to have issued the code (RFC 9207 `iss`), if the response names one.
    pub issuer: Option<&'a str>,
    /// The redirect URI to which they returned.
    pub redirect_uri: &'a str,
    /// The verifier with which the flow was begun.
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

/// What is wrong with a token or a code. For the log and the audit log; clients see no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderRefusal {
    /// Not a JWT, or a claim has the wrong type.
    #[error("the token cannot be read")]
    Unreadable,
    /// Unsigned, signed by an algorithm that is not accepted, or by an unknown key.
    #[error("the signature does not count")]
    Signature,
    /// From another issuer.
    #[error("the token is another issuer's")]
    Issuer,
    /// For another client (`aud`, `azp`).
    #[error("the token is for somebody else")]
    Audience,
    /// Expired or not yet valid.
    #[error("the token is out of its time")]
    Time,
    /// The provider rejected the code.
    #[error("the provider refused the code")]
    Code,
}

impl ProviderRefusal {
    /// The reason's name in the log.
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

/// Why a provider does not vouch for anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The token or code is invalid.
    #[error(transparent)]
    Refused(#[from] ProviderRefusal),
    /// The response is not from the provider that was asked (RFC 9207 §2.4): a mix-up attack. The code was passed
    /// on to no provider.
    #[error("the answer is another provider's")]
    MixedUp,
    /// The provider is unreachable or answers incorrectly. The code was not sent, or it is unknown whether it
    /// arrived.
    #[error("the identity provider is not available")]
    Unavailable {
        /// How long to wait before a retry.
        retry_after: Duration,
    },
    /// Its metadata makes a claim that must not be trusted.
    #[error("the identity provider's metadata is not to be trusted: {0}")]
    Untrustworthy(&'static str),
}

/// An OpenID provider, including all computation and requests that concern it.
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

    /// Exchanges the code for an ID token and verifies the token, once. The claimed issuer is compared before the
    /// code is sent anywhere.
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn redeem(&self, grant: &CodeGrant<'_>) -> Result<IdentityClaims, ProviderError>;

    /// Verifies an ID token except its nonce: signature, issuer, audience, authorized party and times (OpenID
    /// Connect Core 1.0 §3.1.3.7).
    ///
    /// # Errors
    /// [`ProviderError`].
    async fn verify(&self, id_token: &SecretString) -> Result<IdentityClaims, ProviderError>;
}
