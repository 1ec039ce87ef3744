//! Oneself.

pub(crate) mod devices;
pub(crate) mod google;
pub(crate) mod identifier;
pub(crate) mod mfa;
pub(crate) mod passkeys;
pub(crate) mod profile;
pub(crate) mod sessions;
