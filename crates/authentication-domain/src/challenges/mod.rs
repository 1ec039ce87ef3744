//! One-time codes: they prove that a person receives what is sent to an address or a number.

mod challenge;
mod code;

pub use challenge::{ChallengeRules, Purpose};
pub use code::{CodeFormat, CodeNonce, OneTimeCode};
