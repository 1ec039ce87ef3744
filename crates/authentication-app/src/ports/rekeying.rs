//! What key rotation requires of the store.
//!
//! Which rows must change follows from the rows themselves, never from recorded progress. So the work can stop
//! anywhere and be done by any number of nodes, and the next pass finds rows written concurrently. Each write is a
//! compare-and-set against what was read.

use async_trait::async_trait;
use authentication_domain::accounts::AccountId;
use time::{Duration, OffsetDateTime};

use super::{IndexEntry, Sealed, StoreError, Subject, WrappedKey};

/// The service's own data key, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKeyRecord {
    /// The key's id.
    pub id: String,
    /// The key, wrapped under its master key.
    pub wrapped: WrappedKey,
}

/// A data key that was rewrapped.
#[derive(Debug, Clone)]
pub struct Rewrapped {
    /// The account it belongs to.
    pub account: AccountId,
    /// The wrapped key as it was read; if the stored one differs by now, it stays.
    pub read: WrappedKey,
    /// The key, wrapped under the current master key.
    pub next: WrappedKey,
}

/// An account without a row under a certain index key.
#[derive(Debug, Clone)]
pub struct Unindexed {
    /// The account's id.
    pub account: AccountId,
    /// The data key that opens the identifier.
    pub wrapped_key: WrappedKey,
    /// The sealed identifier (`accounts.identifier`).
    pub identifier: Sealed,
}

/// A part of a pass over rows in the order of their accounts. It bounds the number of rows examined, so that a part
/// in which nothing is found takes no longer than any other.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Exclusive lower bound.
    pub after: AccountId,
    /// Inclusive upper bound; `None` means up to the end.
    pub until: Option<AccountId>,
}

/// The result of adding index rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexed {
    /// How many rows were added.
    pub added: u64,
    /// Accounts that got no row because another account has their identifier.
    pub taken: Vec<AccountId>,
}

/// What may still depend on a key, as a question to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependents<'a> {
    /// Persons' data keys under this master key.
    DataKeys(&'a str),
    /// The service's data keys under this master key.
    ServiceKeys(&'a str),
    /// Values that a release before service keys sealed directly under this master key.
    ValuesUnder(&'a str),
    /// Rows under this index key.
    IndexRows(&'a str),
    /// Accounts without a row under this index key. An account whose data key is erased can get no row, and needs
    /// none.
    AccountsWithout(&'a str),
    /// Live sessions whose refresh tokens are made under this key.
    Sessions(&'a str),
    /// Devices that got no token since this time.
    DevicesUnusedSince(OffsetDateTime),
    /// Valid codes and links that were sent by a certain time.
    SendingsBefore {
        /// That time.
        at: OffsetDateTime,
        /// How long the longest-lived one is valid.
        live_for: Duration,
    },
    /// Recorded responses to requests that were made by then: they expire by this time.
    AnswersExpiringBefore(OffsetDateTime),
    /// Password hashes with this pepper.
    Hashes(&'a str),
}

/// How long the counters of a subject remain relevant.
#[derive(Debug, Clone, Copy)]
pub struct SubjectWindows {
    /// For failed sign-ins.
    pub failures: Duration,
    /// For guesses of codes.
    pub tries: Duration,
    /// For messages.
    pub messages: Duration,
}

/// A background task of key rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTask {
    /// Rewraps data keys under the current master key.
    Rewrapping,
    /// Adds index rows under a new key.
    Indexing,
    /// Deletes the index rows of retired keys.
    Unindexing,
}

impl KeyTask {
    /// Every task.
    pub const ALL: [Self; 3] = [Self::Rewrapping, Self::Indexing, Self::Unindexing];

    /// The task's name in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rewrapping => "rewrapping",
            Self::Indexing => "indexing",
            Self::Unindexing => "unindexing",
        }
    }
}

/// When a task last changed rows, and how many it has changed in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskProgress {
    /// The task.
    pub task: KeyTask,
    /// Rows changed since the database was created.
    pub rows: u64,
    /// When the last rows were changed.
    pub last_at: OffsetDateTime,
}

/// Operations on the connection pool.
#[async_trait]
pub trait RekeyingQueries: Send + Sync {
    /// The service's data key with this id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_service_key(&self, id: &str) -> Result<Option<WrappedKey>, StoreError>;

    /// Inserts the service's data key unless one with this id exists, and returns the stored one: nodes that start
    /// concurrently all get the same key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_service_key(
        &self,
        key: &ServiceKeyRecord,
        now: OffsetDateTime,
    ) -> Result<WrappedKey, StoreError>;

    /// The candidate for which something relevant is counted (a lock, a failure, a guess or a message), if any.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn subject_in_use(
        &self,
        candidates: &[Subject],
        windows: SubjectWindows,
        now: OffsetDateTime,
    ) -> Result<Option<Subject>, StoreError>;

    /// The end of a part of a pass: the account that is this many accounts after `after`, or `None` when fewer are
    /// left.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_batch_end(
        &self,
        after: AccountId,
        accounts: u32,
    ) -> Result<Option<AccountId>, StoreError>;

    /// The number of dependents. Scans whole tables: for commands, not for requests.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_dependents(
        &self,
        of: Dependents<'_>,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError>;

    /// Tasks that have ever changed a row.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn key_tasks(&self) -> Result<Vec<TaskProgress>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait RekeyingRepository: Send {
    /// Locks persons' data keys under one of these master keys, in the order of their accounts. Skips rows that
    /// another unit has locked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_data_keys(
        &mut self,
        masters: &[String],
        batch: Batch,
    ) -> Result<Vec<(AccountId, WrappedKey)>, StoreError>;

    /// Replaces the data keys that are unchanged since they were read; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn save_rewrapped(&mut self, keys: &[Rewrapped]) -> Result<u64, StoreError>;

    /// The service's data keys under one of these master keys, locked until the unit ends.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_service_keys(
        &mut self,
        masters: &[String],
    ) -> Result<Vec<ServiceKeyRecord>, StoreError>;

    /// Replaces a service key if it is unchanged since it was read; `false` otherwise.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn save_service_key(
        &mut self,
        read: &ServiceKeyRecord,
        next: &WrappedKey,
    ) -> Result<bool, StoreError>;

    /// Accounts without a row under an index key, locked until the unit ends so that their identifiers cannot
    /// change meanwhile. Skips accounts that another unit has locked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_unindexed(
        &mut self,
        key_id: &str,
        batch: Batch,
    ) -> Result<Vec<Unindexed>, StoreError>;

    /// Adds the missing index rows, and reports the accounts that could not get one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn add_index_entries(
        &mut self,
        entries: &[(AccountId, IndexEntry)],
    ) -> Result<Indexed, StoreError>;

    /// Deletes index rows under these keys; returns how many. Skips rows that another unit has locked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove_index_entries(
        &mut self,
        key_ids: &[String],
        batch: Batch,
    ) -> Result<u64, StoreError>;

    /// Records that a task changed rows.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_key_task(
        &mut self,
        task: KeyTask,
        rows: u64,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;
}
