//! People who came over from another system, in the store.

use std::collections::HashMap;

use async_trait::async_trait;
use authentication_domain::accounts::{AccountId, LegacyId};
use time::OffsetDateTime;

use super::{NewAccount, NewFederatedIdentity, StoreError};

/// What is remembered of a person who was imported. It outlives the account, so that importing the same
/// file again brings nobody back who was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedUser {
    /// Who they became.
    pub account: AccountId,
    /// A keyed digest of what was told of them.
    pub fingerprint: [u8; 32],
}

/// A person to be imported.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// Who they were.
    pub legacy_id: LegacyId,
    /// A keyed digest of what was told of them.
    pub fingerprint: [u8; 32],
    /// Who they become.
    pub account: NewAccount,
    /// The identities at providers that open their account.
    pub identities: Vec<NewFederatedIdentity>,
}

/// What became of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportClaim {
    /// The account exists.
    Inserted,
    /// Somebody with this legacy id was imported before; nothing was written.
    IdKnown,
    /// An account has the identifier; nothing was written.
    IdentifierTaken,
    /// One of the identities opens an account; nothing was written.
    IdentityTaken,
}

/// Reads on the pool.
#[async_trait]
pub trait ImportQueries: Send + Sync {
    /// Those of `ids` who were imported before, in one statement.
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
    /// Inserts, in order, each account whose legacy id, identifier and identities nobody has, with all that
    /// belongs to it; of two with one of these the first. One statement a table, however many they are. Answers for
    /// each, and a conflict of one undoes no other. Rivals in flight are waited for.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Retryable`] when a rival linked one of the identities meanwhile.
    async fn insert(
        &mut self,
        users: &[NewImport],
        now: OffsetDateTime,
    ) -> Result<Vec<ImportClaim>, StoreError>;
}
