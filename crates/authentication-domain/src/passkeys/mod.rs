//! Passkeys: key pairs whose private half a device keeps, and lets go of a signature only for a person whom
//! it knows by a finger, a face or a PIN (W3C Web Authentication Level 3).
//!
//! What is signed, and for whom, is checked by whoever knows the format; what follows from it is decided here.

mod ceremony;
mod credential;

pub use ceremony::{CeremonyPurpose, PasskeyRules, holder_of_session};
pub use credential::{
    CredentialDigest, CredentialState, Passkey, PasskeyId, UseRefused, UserHandle,
};
