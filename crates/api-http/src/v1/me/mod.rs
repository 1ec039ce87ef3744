//! Oneself.

pub(crate) mod mfa;
pub(crate) mod profile;
pub(crate) mod sessions;
