//! Passkeys: enrolling them, signing in with them, and looking after them.
//!
//! A ceremony has two halves. The first asks: it makes options for the device and keeps what is needed to judge
//! the answer. The second judges: the ceremony is used up in the unit that answers, whatever came of it, so
//! that no answer is judged twice.

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

/// The use cases on passkeys.
#[derive(Clone)]
pub struct Passkeys {
    pub(crate) base: Arc<Foundation>,
}

impl Passkeys {
    /// Built once by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }
}
