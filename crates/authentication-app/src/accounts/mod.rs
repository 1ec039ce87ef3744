//! Accounts: registration, and what their owner sees and changes.

mod change_identifier;
mod draft;
mod factor_resets;
mod not_me;
mod people;
mod register;
mod undo_identifier;
mod unlock;
mod update_profile;
mod view;

use std::sync::Arc;

pub(crate) use change_identifier::PendingChange;
pub use change_identifier::{ChangeIdentifierError, ConfirmIdentifier, ConfirmIdentifierError};
pub(crate) use draft::AccountDraft;
pub use factor_resets::{FactorResets, FactorResetsDone};
pub use not_me::NotMeError;
pub use people::People;
pub(crate) use register::PendingRegistration;
pub use register::{Register, RegisterError};
pub use unlock::{UnlockPorts, Unlocks};
pub use update_profile::UpdateProfileError;
pub use view::AccountView;
pub(crate) use view::{OpenedAccount, open_identifier};

use crate::Foundation;

/// The use cases for accounts.
#[derive(Clone)]
pub struct Accounts {
    pub(crate) base: Arc<Foundation>,
}

impl Accounts {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }
}
