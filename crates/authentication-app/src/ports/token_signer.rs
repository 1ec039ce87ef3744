//! Access tokens: signing, verification, and publication of the keys.

use authentication_domain::sessions::AccessClaims;
use secrecy::SecretString;

/// The token is invalid: malformed, of another kind or key, expired, or for another audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token is not valid")]
pub struct InvalidToken;

/// No token could be made because the key is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access token could not be signed")]
pub struct SigningFailed;

/// JWT access tokens (RFC 9068), signed with a set of identified keys.
pub trait TokenSigner: Send + Sync {
    /// # Errors
    /// [`SigningFailed`] when the current key cannot sign.
    fn sign(&self, claims: &AccessClaims) -> Result<SecretString, SigningFailed>;
    /// Checks everything that needs no store: the key's algorithm, signature, `typ`, issuer, audience, and times
    /// (by the signer's clock).
    ///
    /// # Errors
    /// [`InvalidToken`], for any reason.
    fn verify(&self, token: &str) -> Result<AccessClaims, InvalidToken>;
    /// The public keys as a JWK Set (RFC 7517).
    fn public_keys(&self) -> serde_json::Value;
    /// The issuer named in tokens, for the metadata document.
    fn issuer(&self) -> &str;
    /// The names of the signature algorithms in use.
    fn algorithms(&self) -> Vec<&'static str>;
}
