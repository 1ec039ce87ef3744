//! The interface for other bounded contexts. They depend on a trait, never on a table.

use async_trait::async_trait;
use common::{Id, access::Principal};

use crate::accounts::{AccountId, AccountStatus};

/// Why a lookup failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The token is not valid (or no longer valid), or the account does not exist.
    #[error("not known")]
    Unknown,
    /// The service cannot answer at the moment.
    #[error("the identity service cannot answer right now")]
    Unavailable,
}

/// Resolves a bearer token to the acting principal.
#[async_trait]
pub trait AuthenticateToken: Send + Sync {
    /// # Errors
    /// [`DirectoryError::Unknown`] for a token that is malformed, expired or of an ended session.
    async fn authenticate(&self, access_token: &str) -> Result<Principal, DirectoryError>;
}

/// A person as other contexts may see them, without contact data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The person's account.
    pub account: AccountId,
    /// The display name that the person chose, if any.
    pub display_name: Option<String>,
    /// The account's state, which decides whether the person can act.
    pub status: AccountStatus,
}

/// Looks up people by account.
#[async_trait]
pub trait FindPerson: Send + Sync {
    /// # Errors
    /// [`DirectoryError::Unknown`] when there is no such account.
    async fn find_person(
        &self,
        account: Id<common::access::Account>,
    ) -> Result<Person, DirectoryError>;
}
