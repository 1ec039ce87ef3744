//! Passwords: input, policy and stored hashes.

pub mod blocklist;
mod context_words;
mod kind;
mod password;
mod password_hash;
mod policy;
mod strength;
mod ways_in;

pub use context_words::ContextWords;
pub use kind::CredentialKind;
pub use password::{PlainPassword, UnusablePassword};
pub use password_hash::PasswordHash;
pub use policy::{PasswordPolicy, Weakness};
pub use strength::Strength;
pub use ways_in::{LastWayIn, WaysIn};
