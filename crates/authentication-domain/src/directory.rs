//! What other bounded contexts ask of this one. They hold a trait, never a table.

use async_trait::async_trait;
use common::{Id, access::Principal};

use crate::accounts::{AccountId, AccountStatus};

/// Why a question could not be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The token is not valid (any more), or there is no such person.
    #[error("not known")]
    Unknown,
    /// The answer cannot be had right now.
    #[error("the identity service cannot answer right now")]
    Unavailable,
}

/// Turns a bearer token into the one who acts.
#[async_trait]
pub trait AuthenticateToken: Send + Sync {
    /// # Errors
    /// [`DirectoryError::Unknown`] for a token that is malformed, expired or of an ended session.
    async fn authenticate(&self, access_token: &str) -> Result<Principal, DirectoryError>;
}

/// A person as other contexts may see them: no contact data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Whom.
    pub account: AccountId,
    /// The name they chose to show, if any.
    pub display_name: Option<String>,
    /// Whether they can act.
    pub status: AccountStatus,
}

/// Looks people up.
#[async_trait]
pub trait FindPerson: Send + Sync {
    /// # Errors
    /// [`DirectoryError::Unknown`] when there is no such account.
    async fn find_person(
        &self,
        account: Id<common::access::Account>,
    ) -> Result<Person, DirectoryError>;
}
