//! Passwords: changing and resetting one.

mod change_password;
mod complete_reset;
mod new_hash;
mod set_password;

use std::sync::Arc;

pub use change_password::{ChangePassword, ChangePasswordError};
pub use complete_reset::{CompleteReset, CompleteResetError, ResetProof};

use crate::Foundation;

/// The use cases for passwords.
#[derive(Clone)]
pub struct Credentials {
    pub(crate) base: Arc<Foundation>,
}

impl Credentials {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }
}
