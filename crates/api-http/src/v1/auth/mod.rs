//! Accounts and sign-in.

pub(crate) mod change_password;
pub(crate) mod log_in;
pub(crate) mod log_in_otp;
pub(crate) mod log_out;
pub(crate) mod mfa;
pub(crate) mod not_me;
pub(crate) mod passkey;
pub(crate) mod providers;
pub(crate) mod reauthenticate;
pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod resend_otp;
pub(crate) mod reset_password;
pub(crate) mod verify_otp;

mod identifier_body;
