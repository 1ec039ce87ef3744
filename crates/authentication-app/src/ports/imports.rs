//! People imported from another system, in the store.

use std::collections::HashMap;

use async_trait::async_trait;
use authentication_domain::accounts::{AccountId, LegacyId};
use time::OffsetDateTime;

use super::{NewAccount, NewFederatedIdentity, StoreError};

/// The record of an imported person. It outlives the account, so that importing the same file again does not bring
/// back an erased person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedUser {
    /// The account they got.
    pub account: AccountId,
    /// A keyed digest of the imported data.
    pub fingerprint: [u8; 32],
}

/// A person to be imported.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Their id in the other system.
    pub legacy_id: LegacyId,
    /// A keyed digest of the imported data.
    pub fingerprint: [u8; 32],
    /// The account to be created.
    pub account: NewAccount,
    /// The provider identities that open the account.
    pub identities: Vec<NewFederatedIdentity>,
}

/// The result for one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportClaim {
    /// The account was created.
    Inserted,
    /// A person with this legacy id was imported before; nothing was written.
    IdKnown,
    /// An account already has the identifier; nothing was written.
    IdentifierTaken,
    /// One of the identities already opens an account; nothing was written.
    IdentityTaken,
}

/// Reads outside a unit of work, on the connection pool.
#[async_trait]
pub trait ImportQueries: Send + Sync {
    /// Those of `ids` that were imported before, in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_imported(
        &self,
        ids: &[LegacyId],
    ) -> Result<HashMap<LegacyId, ImportedUser>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait ImportRepository: Send {
    /// Inserts, in order, each account whose legacy id, identifier and identities are all unused, with its
    /// dependent rows; of two persons that share one of these, only the first is inserted. Takes one statement per
    /// table, for any number of persons. Returns a result for each; a conflict of one affects no other. Waits for
    /// concurrent imports.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Retryable`] when a concurrent unit linked one of the identities meanwhile.
    async fn insert(
        &mut self,
        users: &[NewImport],
        now: OffsetDateTime,
    ) -> Result<Vec<ImportClaim>, StoreError>;
}
