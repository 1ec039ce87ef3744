//! One-time codes: proof that a person reads what is sent to an address or a number.

mod challenge;
mod code;

pub use challenge::{ChallengeRules, Purpose};
pub use code::{CodeFormat, CodeNonce, OneTimeCode};
