//! What a person tells about themselves.

pub mod country;
mod profile;

pub use profile::{DisplayName, InvalidText, Profile, ProfileChange};
