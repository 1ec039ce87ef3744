//! Second factors: proving one to complete a sign-in, setting them up and removing them.

mod enrol_totp;
mod factors;
mod pending;
mod recovery_codes;
mod send_code;
mod verify;

use std::sync::Arc;

pub use enrol_totp::{ConfirmTotpError, ConfirmedTotp, EnrolTotpError};
pub use factors::RemoveFactorError;
pub(crate) use pending::{PendingSignIn, ProvenFactor};
pub use recovery_codes::{FreshRecoveryCodes, RenewRecoveryCodesError};
pub use send_code::SendSecondFactorError;
pub use verify::{SecondProof, VerifySecondFactor, VerifySecondFactorError};

use crate::Foundation;

/// The use cases for second factors.
#[derive(Clone)]
pub struct Mfa {
    pub(crate) base: Arc<Foundation>,
}

impl Mfa {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }
}
