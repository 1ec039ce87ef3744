//! What a change of keys asks of the store.
//!
//! Which rows are to be changed follows from the rows themselves, never from a note about how far somebody
//! got: so the work can be broken off anywhere and done by any number of nodes, and what is written by
//! others meanwhile is found in the next pass. Each write compares with what was read.

use async_trait::async_trait;
use authentication_domain::accounts::AccountId;
use time::{Duration, OffsetDateTime};

use super::{IndexEntry, Sealed, StoreError, Subject, WrappedKey};

/// The service's own data key, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKeyRecord {
    /// Which one.
    pub id: String,
    /// Under its master key.
    pub wrapped: WrappedKey,
}

/// A data key that was wrapped anew.
#[derive(Debug, Clone)]
pub struct Rewrapped {
    /// Whose.
    pub account: AccountId,
    /// As it was read; what is another by now stays as it is.
    pub read: WrappedKey,
    /// Under the current master key.
    pub next: WrappedKey,
}

/// An account without a row under some index key.
#[derive(Debug, Clone)]
pub struct Unindexed {
    /// Which.
    pub account: AccountId,
    /// The data key that opens the identifier.
    pub wrapped_key: WrappedKey,
    /// The identifier (`accounts.identifier`).
    pub identifier: Sealed,
}

/// A part of a pass over rows in the order of their accounts. It bounds the rows that are looked at, so that
/// one in which nothing is found takes no longer than another.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// Only accounts beyond this one.
    pub after: AccountId,
    /// Up to this one; none is the end.
    pub until: Option<AccountId>,
}

/// What became of index rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexed {
    /// How many were not there, and are.
    pub added: u64,
    /// Accounts that got none, since another account has their identifier.
    pub taken: Vec<AccountId>,
}

/// What may depend on a key, as a question to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependents<'a> {
    /// Data keys of persons under a master key.
    DataKeys(&'a str),
    /// Data keys of the service under a master key.
    ServiceKeys(&'a str),
    /// Values that a release before service keys sealed under a master key itself.
    ValuesUnder(&'a str),
    /// Rows under an index key.
    IndexRows(&'a str),
    /// Accounts that have no row under an index key. One whose data key is gone can get none, and needs none.
    AccountsWithout(&'a str),
    /// Live sessions whose refresh tokens are made under a key.
    Sessions(&'a str),
    /// Devices that got no token since.
    DevicesUnusedSince(OffsetDateTime),
    /// Codes and links sent by then that still count.
    SendingsBefore {
        /// Then.
        at: OffsetDateTime,
        /// How long the longest-lived counts.
        live_for: Duration,
    },
    /// Recorded answers of requests made by then: they expire by this time.
    AnswersExpiringBefore(OffsetDateTime),
    /// Password hashes with a pepper.
    Hashes(&'a str),
}

/// How far back what was counted for a subject still matters.
#[derive(Debug, Clone, Copy)]
pub struct SubjectWindows {
    /// Failed sign-ins.
    pub failures: Duration,
    /// Guesses of codes.
    pub tries: Duration,
    /// Messages.
    pub messages: Duration,
}

/// Work that a change of keys makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTask {
    /// Wrapping data keys under the current master key.
    Rewrapping,
    /// Writing index rows under a new key.
    Indexing,
    /// Removing index rows of retired keys.
    Unindexing,
}

impl KeyTask {
    /// All.
    pub const ALL: [Self; 3] = [Self::Rewrapping, Self::Indexing, Self::Unindexing];

    /// Its name in the store and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rewrapping => "rewrapping",
            Self::Indexing => "indexing",
            Self::Unindexing => "unindexing",
        }
    }
}

/// When a task last changed rows, and how many it changed in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskProgress {
    /// Which.
    pub task: KeyTask,
    /// Rows changed since the database was made.
    pub rows: u64,
    /// When the last ones were.
    pub last_at: OffsetDateTime,
}

/// On the pool.
#[async_trait]
pub trait RekeyingQueries: Send + Sync {
    /// The service's data key of this id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_service_key(&self, id: &str) -> Result<Option<WrappedKey>, StoreError>;

    /// Keeps the service's data key unless there is one of this id, and answers with the one that is kept:
    /// of any number of nodes that start at once, all get the same.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_service_key(
        &self,
        key: &ServiceKeyRecord,
        now: OffsetDateTime,
    ) -> Result<WrappedKey, StoreError>;

    /// Which of the candidates something is counted for that still matters, if any: a lock, a failure, a
    /// guess, a message.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn subject_in_use(
        &self,
        candidates: &[Subject],
        windows: SubjectWindows,
        now: OffsetDateTime,
    ) -> Result<Option<Subject>, StoreError>;

    /// Where a part of a pass ends: the account that is so many beyond another, or none when fewer are left.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_batch_end(
        &self,
        after: AccountId,
        accounts: u32,
    ) -> Result<Option<AccountId>, StoreError>;

    /// How many there are. Goes through whole tables: for commands, not for requests.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_dependents(
        &self,
        of: Dependents<'_>,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError>;

    /// Tasks that ever changed a row.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn key_tasks(&self) -> Result<Vec<TaskProgress>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait RekeyingRepository: Send {
    /// Data keys of persons under one of these master keys, in the order of their accounts. Rows that another
    /// unit holds are passed over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_data_keys(
        &mut self,
        masters: &[String],
        batch: Batch,
    ) -> Result<Vec<(AccountId, WrappedKey)>, StoreError>;

    /// Replaces the data keys that are still what was read; tells how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn save_rewrapped(&mut self, keys: &[Rewrapped]) -> Result<u64, StoreError>;

    /// The service's data keys under one of these master keys, held until the unit ends.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_service_keys(
        &mut self,
        masters: &[String],
    ) -> Result<Vec<ServiceKeyRecord>, StoreError>;

    /// Replaces a service key if it is still what was read; `false` when it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn save_service_key(
        &mut self,
        read: &ServiceKeyRecord,
        next: &WrappedKey,
    ) -> Result<bool, StoreError>;

    /// Accounts that have no row under an index key, held until the unit ends so that nobody changes their
    /// identifier meanwhile. Accounts that another unit holds are passed over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_unindexed(
        &mut self,
        key_id: &str,
        batch: Batch,
    ) -> Result<Vec<Unindexed>, StoreError>;

    /// Adds index rows that are not there, and tells whose could not be.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn add_index_entries(
        &mut self,
        entries: &[(AccountId, IndexEntry)],
    ) -> Result<Indexed, StoreError>;

    /// Removes index rows under these keys; tells how many. Rows that another unit holds are passed over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove_index_entries(
        &mut self,
        key_ids: &[String],
        batch: Batch,
    ) -> Result<u64, StoreError>;

    /// Notes that a task changed rows.
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
