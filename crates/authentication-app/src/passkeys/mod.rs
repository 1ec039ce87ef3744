//! Passkeys: enrolling, signing in, renaming and removing.
//!
//! A ceremony has two halves. The first creates the options for the device and stores the state that judging the
//! answer needs. The second judges the answer, and uses up the ceremony in the same unit, whatever the result, so
//! that no two answers are judged.

mod begin_enrolment;
mod begin_second_factor;
mod begin_sign_in;
mod ceremony;
mod enrol;
mod judge;
mod list;
mod remove;
mod rename;
mod second_factor;
mod sign_in;
mod stored;

use std::sync::Arc;

pub use begin_enrolment::BeginEnrolmentError;
pub use begin_sign_in::SignInOptions;
pub use enrol::{Enrol, EnrolError};
pub use list::{CredentialId, PasskeyList, PasskeyView};
pub use remove::RemovePasskeyError;
pub use rename::RenamePasskeyError;
pub use second_factor::PasskeySecondFactor;
pub use sign_in::{PasskeySignIn, PasskeySignInError};
pub(crate) use {
    ceremony::InHands,
    judge::{Judged, Signer},
};

use crate::Foundation;

/// The use cases for passkeys.
#[derive(Clone)]
pub struct Passkeys {
    pub(crate) base: Arc<Foundation>,
}

impl Passkeys {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }
}
