//! Oneself.

pub(crate) mod profile;
pub(crate) mod sessions;
