//! Profiles: what people enter about themselves.

pub mod country;
mod profile;

pub use profile::{DisplayName, InvalidText, Profile, ProfileChange};
