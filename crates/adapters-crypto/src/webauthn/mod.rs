//! Passkeys: W3C Web Authentication Level 3, on the side of the service.
//!
//! What comes in is judged twice. [`client_data`] and [`authenticator_data`] read it to the letter, and say
//! what is wrong with it; they are strict where a library is lenient (the spelling of a challenge or an
//! origin, frames, bytes after the end, CBOR that is not canonical, a curve that is not its algorithm's). What they
//! let pass `webauthn-rs` judges whole: formats, keys, signatures.
//!
//! Counters are not judged here but by the domain: the library is shown a credential that never signed.

mod authenticator_data;
mod canonical;
mod client_data;
mod cose_key;
mod party;
#[cfg(test)]
mod tests;

pub use party::{WebAuthnConfig, WebAuthnConfigError, WebAuthnParty, is_android_app, is_on_domain};
