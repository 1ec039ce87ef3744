//! Sessions: signing in, staying signed in, signing out.

mod authenticate;
mod begin;
mod devices;
mod end;
mod first_factor;
mod list;
mod liveness;
mod log_in;
mod reauthenticate;
mod reauthenticate_by_provider;
mod recent;
mod recorded;
mod refresh;
mod restored;
mod revoke;

use std::sync::Arc;

pub use authenticate::{AuthenticateError, Bearer, Recognised};
pub(crate) use begin::{BeginError, SignIn};
pub use begin::{SignedIn, TokenSet};
pub use devices::{ForgetDeviceError, KnownDevice};
pub use end::EndSessionError;
pub(crate) use first_factor::FirstFactor;
pub use first_factor::{SecondFactorRequired, SignInAnswer};
pub use list::SessionView;
pub use liveness::{Liveness, SessionCaches};
pub use log_in::{LogIn, LogInError};
pub(crate) use reauthenticate::RenewError;
pub use reauthenticate::{Attempt, ReauthenticateError, Reauthentication};
pub use reauthenticate_by_provider::ReauthenticateByProviderError;
pub use recent::ProofMethod;
pub(crate) use recorded::{AnsweredSignIn, RecordedSignIn, RecordedTokens, Recording};
pub use refresh::RefreshError;
pub use restored::{Aftermath, Restores};
pub use revoke::{RevocationPorts, Revocations, Revoked};

use crate::Foundation;

/// The use cases for sessions.
#[derive(Clone)]
pub struct Sessions {
    pub(crate) base: Arc<Foundation>,
}

impl Sessions {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }
}
