//! Passkeys: the relying party of W3C Web Authentication Level 3.
//!
//! Input is checked twice. [`client_data`] and [`authenticator_data`] parse it strictly and report the exact
//! fault. They are strict where the library is lenient: the spelling of a challenge or an origin, frames,
//! trailing bytes, non-canonical CBOR, a curve that does not match its algorithm. `webauthn-rs` then checks
//! the whole: formats, keys and signatures.
//!
//! The domain checks signature counters. The library therefore always sees a credential that has never
//! signed.

mod authenticator_data;
mod canonical;
mod client_data;
mod cose_key;
mod party;
#[cfg(test)]
mod tests;

pub use party::{WebAuthnConfig, WebAuthnConfigError, WebAuthnParty, is_android_app, is_on_domain};
