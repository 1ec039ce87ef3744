//! The caller's own account.

pub(crate) mod devices;
pub(crate) mod identifier;
pub(crate) mod mfa;
pub(crate) mod passkeys;
pub(crate) mod profile;
pub(crate) mod providers;
pub(crate) mod sessions;
