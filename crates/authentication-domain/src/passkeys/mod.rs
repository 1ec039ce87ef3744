//! Passkeys: key pairs whose private half stays on a device, which signs only after it has recognised the
//! person by fingerprint, face or PIN (W3C Web Authentication Level 3).
//!
//! An adapter verifies the formats and signatures; this module decides what follows from them.

mod ceremony;
mod credential;

pub use ceremony::{CeremonyPurpose, PasskeyRules, holder_of_session};
pub use credential::{
    CredentialDigest, CredentialState, Passkey, PasskeyId, UseRefused, UserHandle,
};
