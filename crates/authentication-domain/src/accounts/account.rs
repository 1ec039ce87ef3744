//! Accounts without their personal data.

use common::{Id, access::Roles, timestamps::Timestamps};
use serde::{Deserialize, Serialize};

use super::{AccountStatus, Closed, SignUpMethod};

/// Identifies an account, and is the `sub` claim of its tokens. Never reused for another person.
pub type AccountId = Id<common::access::Account>;

/// The state of an account that decisions are based on. It contains no personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account's id.
    pub id: AccountId,
    /// The kind of identifier that the account was created with.
    pub sign_up_method: SignUpMethod,
    /// The lifecycle state.
    pub status: AccountStatus,
    /// The person's roles in the marketplace.
    pub roles: Roles,
    /// Increases with every change, for optimistic concurrency control.
    pub version: i64,
    /// When the account was created and last changed.
    pub timestamps: Timestamps,
}

impl Account {
    /// The check that every way of issuing a token must pass.
    ///
    /// # Errors
    /// [`Closed`] says what may be disclosed, and only to someone who has proven that the account is theirs.
    pub fn gate(&self) -> Result<(), Closed> {
        self.status.gate()
    }
}
