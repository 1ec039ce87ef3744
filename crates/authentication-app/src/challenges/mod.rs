//! One-time codes: requesting, resending, and proving one.

mod issue;
mod payload;
mod prove;
mod request_code;
mod resend;
mod silent_number;
mod typed;
mod verify_code;

use std::sync::Arc;

pub(crate) use issue::{CodeRequest, Pending, Sending};
pub use issue::{IssuedChallenge, SendError};
pub use prove::ProofError;
pub(crate) use prove::RightCode;
pub use resend::ResendError;
pub(crate) use typed::{ReadTyped, Typed};
pub use verify_code::{Proven, VerifyCode, VerifyCodeError};

use crate::Foundation;

/// The use cases for one-time codes.
#[derive(Clone)]
pub struct Challenges {
    pub(crate) base: Arc<Foundation>,
}

impl Challenges {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }
}
