//! Access tokens: JWTs (RFC 7519) in the profile of RFC 9068.
//!
//! Verification trusts nothing in advance: it checks the size first, then the header (exactly three members),
//! then the signature with the single algorithm of the key that the header names, and only then the claims.
//! Keys come only from the ring; a header cannot point elsewhere (RFC 8725 §3).

mod claims;
mod config;
mod header;
mod part;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration as StdDuration, Instant},
};

use authentication_app::ports::{InvalidToken, SigningFailed, TokenSigner};
use authentication_domain::sessions::AccessClaims;
use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{Clock, SecureRandom, random};
use jsonwebtoken::{DecodingKey, jwk};
use moka::{Expiry, sync::Cache};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::keys::{KeyRing, Keyed as _, KeysInUse, SigningAlgorithm, SigningKey};
use claims::Claims;
pub use config::{JwtConfig, JwtConfigError};
use header::Header;

/// Tokens have about 600 bytes. Longer input is refused before it is parsed.
const MAX_TOKEN_BYTES: usize = 4_096;
/// Maximum number of cached tokens with a verified signature. About 250 bytes each, so at most 25 MB.
const MAX_VERIFIED: u64 = 100_000;

/// Signs and verifies access tokens with the `signing` keys of a ring.
pub struct JwtSigner {
    keys: Arc<KeysInUse>,
    config: JwtConfig,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
}

/// The `signing` section of a key ring, prepared for use.
pub(crate) struct SigningKeys {
    signer: SigningKey,
    /// The encoded header for new tokens.
    header: String,
    /// Includes the next key, with which other nodes may already sign.
    verifiers: Vec<Verifier>,
    public_keys: Value,
    /// Verified tokens by their SHA-256, so that a signature is checked once instead of on every request. The
    /// cache is dropped with the ring, so that tokens of a removed key are forgotten.
    verified: Cache<[u8; 32], Verified>,
}

impl SigningKeys {
    pub(crate) fn of(ring: &KeyRing) -> Self {
        let keys = &ring.signing;
        Self {
            signer: keys.current().clone(),
            header: Header::of(keys.current()).encode(),
            verifiers: keys.iter().map(Verifier::of).collect(),
            public_keys: json!({ "keys": keys.iter().map(public_jwk).collect::<Vec<_>>() }),
            verified: Cache::builder()
                .max_capacity(MAX_VERIFIED)
                .expire_after(UntilTheTokenExpires)
                .build(),
        }
    }
}

/// A key that a header may name.
struct Verifier {
    key_id: String,
    algorithm: SigningAlgorithm,
    key: DecodingKey,
}

#[derive(Clone)]
struct Verified {
    claims: AccessClaims,
    /// The remaining lifetime at the time of verification.
    lives_for: StdDuration,
}

impl JwtSigner {
    /// # Errors
    /// [`JwtConfigError`] when issuer, audience, client or leeway is not usable.
    pub fn new(
        keys: Arc<KeysInUse>,
        config: JwtConfig,
        clock: Arc<dyn Clock>,
        random: Arc<dyn SecureRandom>,
    ) -> Result<Self, JwtConfigError> {
        config.validate()?;
        Ok(Self {
            keys,
            config,
            clock,
            random,
        })
    }

    fn check_signature(
        &self,
        keys: &SigningKeys,
        token: &str,
    ) -> Result<AccessClaims, InvalidToken> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidToken);
        };
        let header = Header::decode(header)?;
        let verifier = keys
            .verifiers
            .iter()
            .find(|verifier| verifier.key_id == header.key_id)
            .ok_or(InvalidToken)?;
        if !header.is_access_token() || header.algorithm != verifier.algorithm.as_str() {
            return Err(InvalidToken);
        }
        let signed = token.rsplit_once('.').ok_or(InvalidToken)?.0.as_bytes();
        let algorithm = verifier.algorithm.to_jwa();
        match jsonwebtoken::crypto::verify(signature, signed, &verifier.key, algorithm) {
            Ok(true) => Claims::decode(payload, &self.config),
            Ok(false) | Err(_) => Err(InvalidToken),
        }
    }

    /// The leeway tolerates the clocks of other nodes. It extends a lifetime by at most its own length.
    fn check_times(&self, claims: &AccessClaims) -> Result<StdDuration, InvalidToken> {
        let now = self.clock.now();
        let lives_for = claims.expires_at + self.config.leeway - now;
        let is_current = claims.issued_at <= now + self.config.leeway && lives_for.is_positive();
        if is_current {
            StdDuration::try_from(lives_for).map_err(|_| InvalidToken)
        } else {
            Err(InvalidToken)
        }
    }
}

impl TokenSigner for JwtSigner {
    fn sign(&self, claims: &AccessClaims) -> Result<SecretString, SigningFailed> {
        let jti = URL_SAFE_NO_PAD.encode(random::bytes::<16>(self.random.as_ref()));
        let payload = Claims::new(claims, &self.config, jti).encode()?;
        let keys = self.keys.load();
        let SigningKeys { signer, header, .. } = &keys.signing;
        let signed = format!("{header}.{payload}");
        let signature = signer.sign(signed.as_bytes()).ok_or(SigningFailed)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }

    fn verify(&self, token: &str) -> Result<AccessClaims, InvalidToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let keys = self.keys.load();
        let keys = &keys.signing;
        if let Some(known) = keys.verified.get(&digest) {
            return self.check_times(&known.claims).map(|_| known.claims);
        }
        let claims = self.check_signature(keys, token)?;
        let lives_for = self.check_times(&claims)?;
        let verified = Verified {
            claims: claims.clone(),
            lives_for,
        };
        keys.verified.insert(digest, verified);
        Ok(claims)
    }

    fn public_keys(&self) -> Value {
        self.keys.load().signing.public_keys.clone()
    }

    fn issuer(&self) -> &str {
        &self.config.issuer
    }

    fn algorithms(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for verifier in &self.keys.load().signing.verifiers {
            let name = verifier.algorithm.as_str();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

impl Verifier {
    fn of(key: &SigningKey) -> Self {
        Self {
            key_id: key.id().to_owned(),
            algorithm: key.algorithm(),
            key: key.public_key(),
        }
    }
}

/// The public key as a JWK (RFC 7517 §4).
#[expect(
    clippy::expect_used,
    reason = "the key was parsed when the ring was read, and its members are plain text"
)]
fn public_jwk(key: &SigningKey) -> Value {
    let algorithm = key.algorithm().to_jwa();
    let mut jwk = jwk::Jwk::from_decoding_key(&key.public_key(), Some(algorithm))
        .expect("a parsed key has a public half");
    jwk.common.key_id = Some(key.id().to_owned());
    jwk.common.public_key_use = Some(jwk::PublicKeyUse::Signature);
    serde_json::to_value(jwk).expect("a JWK becomes JSON")
}

struct UntilTheTokenExpires;

impl Expiry<[u8; 32], Verified> for UntilTheTokenExpires {
    fn expire_after_create(
        &self,
        _: &[u8; 32],
        verified: &Verified,
        _: Instant,
    ) -> Option<StdDuration> {
        Some(verified.lives_for)
    }
}
