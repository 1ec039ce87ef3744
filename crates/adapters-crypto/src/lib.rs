//! Everything that needs a secret key or expensive computation, behind the ports of the use cases: field
//! encryption, the blind index, MACs and codes, access tokens and password hashes. The system's clock and
//! random number generator are here as well.
//!
//! One document, the [`KeyRing`], holds every secret key of the service. This crate stores no values, makes
//! no authorization decisions, and knows nothing of HTTP, SQL or the caller.
//!
//! | what | algorithm | key |
//! |---|---|---|
//! | fields, wrapped data keys | XChaCha20-Poly1305, random nonces | data key of the person or of the service; `field_encryption` |
//! | identifiers | HMAC-SHA-256 | `blind_index` |
//! | refresh tokens, device tokens | HMAC-SHA-256 | `refresh_tokens`, `device_tokens` |
//! | codes, reset links, fingerprints | HMAC-SHA-256 | `codes` |
//! | access tokens | `EdDSA` (Ed25519), or ES256, RS256 | `signing` |
//! | passwords | argon2id, peppered | `password_pepper` |
//! | authenticator apps | HMAC-SHA-1, as RFC 6238 has it | one for each person, sealed |
//! | passkeys | ES256, ES384, RS256: signatures of devices, verified | public keys, in the store |
//!
//! The ring can be replaced while the service runs ([`KeysInUse`]). Each key has a stage, so that nodes may
//! adopt a change at different times.
//!
//! No key serves two purposes: each purpose has its own sub-key, derived with its own label.

mod access_tokens;
mod blind_index;
mod clock;
mod encoding;
mod keys;
mod macs;
mod passwords;
mod random;
#[cfg(test)]
mod test_support;
mod totp;
mod vault;
mod webauthn;

pub use access_tokens::{JwtConfig, JwtConfigError, JwtSigner};
pub use blind_index::BlindIndex;
pub use clock::{SystemClock, SystemTicks};
pub use keys::{KeyRing, KeyRingError, KeysInUse, Origin, SigningAlgorithm, StageError};
pub use macs::TokenMacs;
pub use passwords::{Argon2Pool, DjangoHashes, HashingConfig, HashingConfigError, PoolError};
pub use random::SystemRandom;
pub use totp::AuthenticatorCodes;
pub use vault::{CryptoVault, ServiceKey};
pub use webauthn::{
    WebAuthnConfig, WebAuthnConfigError, WebAuthnParty, is_android_app, is_on_domain,
};
