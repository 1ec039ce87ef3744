//! The second factor of a sign-in.

pub(crate) mod otp;
pub(crate) mod verify;
pub(crate) mod webauthn;
