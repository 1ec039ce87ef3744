//! Access tokens: signing, verifying, publishing keys.

use authentication_domain::sessions::AccessClaims;
use secrecy::SecretString;

/// The token is not one that counts: malformed, another kind, another key, expired, not for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token is not valid")]
pub struct InvalidToken;

/// No token could be made: a broken key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an access token could not be signed")]
pub struct SigningFailed;

/// JWT access tokens (RFC 9068) under a set of keys with ids.
pub trait TokenSigner: Send + Sync {
    /// # Errors
    /// [`SigningFailed`] when the current key cannot sign.
    fn sign(&self, claims: &AccessClaims) -> Result<SecretString, SigningFailed>;
    /// Checks everything that can be known without a store: algorithm of the key, signature, `typ`,
    /// issuer, audience, times (against the signer's clock).
    ///
    /// # Errors
    /// [`InvalidToken`], whatever is wrong.
    fn verify(&self, token: &str) -> Result<AccessClaims, InvalidToken>;
    /// The public keys as a JWK Set (RFC 7517).
    fn public_keys(&self) -> serde_json::Value;
    /// The issuer that tokens name, for the metadata document.
    fn issuer(&self) -> &str;
    /// Names of the algorithms that tokens are signed with.
    fn algorithms(&self) -> Vec<&'static str>;
}
