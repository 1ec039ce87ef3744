//! The account itself.

use common::{Id, access::Roles, timestamps::Timestamps};
use serde::{Deserialize, Serialize};

use super::{AccountStatus, Closed, SignUpMethod};

/// Identifies an account, and is the `sub` of its tokens. Never used again for another person.
pub type AccountId = Id<common::access::Account>;

/// An account without anything personal: what decisions are made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who.
    pub id: AccountId,
    /// Which kind of identifier it stands on.
    pub sign_up_method: SignUpMethod,
    /// Where it is in its life.
    pub status: AccountStatus,
    /// What the person is to the marketplace.
    pub roles: Roles,
    /// Grows with every change; writers compare it.
    pub version: i64,
    /// When it was made and last changed.
    pub timestamps: Timestamps,
}

impl Account {
    /// The one gate before every way of getting a token.
    ///
    /// # Errors
    /// [`Closed`] says what may be told, and only to someone who has proven the account is theirs.
    pub fn gate(&self) -> Result<(), Closed> {
        self.status.gate()
    }
}
