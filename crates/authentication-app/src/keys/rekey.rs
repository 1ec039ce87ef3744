//! Rewrapping data keys and re-indexing identifiers, in batches, while the service runs.
//!
//! Progress is not recorded: it follows from the rows. So the work can stop anywhere, and any number of nodes can
//! do it concurrently. A row that another unit has locked is skipped and found by the next pass; a row that changed
//! since it was read stays as it is.

use std::{collections::VecDeque, sync::Arc};

use authentication_domain::accounts::AccountId;
use common::{Clock, Id};
use uuid::Uuid;

use crate::{
    accounts::open_identifier,
    corrupt,
    ports::{
        Batch, Dependents, IdentifierIndex, IdentityStore, IndexEntry, KeyTask, Rewrapped,
        StoreError, Unindexed, UnitOfWork, Vault,
    },
    retry::retrying,
};

/// Accounts per batch, whatever is changed for them: small, so that other requests for these accounts, and the
/// single writer of SQLite, are not blocked for long.
const BATCH: u32 = 200;

/// The progress of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PassOutcome {
    /// Data keys that were rewrapped.
    pub rewrapped: u64,
    /// Index rows that were added.
    pub indexed: u64,
    /// Index rows of retired keys that were removed.
    pub unindexed: u64,
    /// Accounts whose key or identifier does not open, or whose identifier belongs to another account by now. They
    /// prevent their old key from being retired.
    pub stuck: u64,
}

impl PassOutcome {
    /// The total number of changed rows.
    pub const fn changed(&self) -> u64 {
        self.rewrapped + self.indexed + self.unindexed
    }
}

/// Updates rows after key rotation.
#[derive(Clone)]
pub struct Rekeying {
    store: Arc<dyn IdentityStore>,
    vault: Arc<dyn Vault>,
    index: Arc<dyn IdentifierIndex>,
    clock: Arc<dyn Clock>,
}

/// One pass over all rows that the current keys require to change, batch by batch. The caller of the steps decides
/// how much load to put on the store, and ends the pass by dropping it.
pub struct Pass<'a> {
    work: &'a Rekeying,
    stages: VecDeque<Stage>,
    after: AccountId,
    outcome: PassOutcome,
}

enum Stage {
    ServiceKeys,
    DataKeys,
    Index(String),
    Unindex,
}

/// The result of a batch.
#[derive(Default)]
struct Done {
    changed: u64,
    stuck: u64,
    /// Where the next batch continues; `None` at the end.
    next: Option<AccountId>,
}

impl Rekeying {
    /// Called once, by the composition root.
    pub const fn new(
        store: Arc<dyn IdentityStore>,
        vault: Arc<dyn Vault>,
        index: Arc<dyn IdentifierIndex>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            vault,
            index,
            clock,
        }
    }

    /// Begins a pass. Sends no query for keys that are not changing.
    pub fn begin_pass(&self) -> Pass<'_> {
        Pass {
            work: self,
            stages: self.stages(),
            after: Id::from_uuid(Uuid::nil()),
            outcome: PassOutcome::default(),
        }
    }

    fn stages(&self) -> VecDeque<Stage> {
        let mut stages = VecDeque::new();
        if !self.vault.replaced_master_keys().is_empty() {
            stages.extend([Stage::ServiceKeys, Stage::DataKeys]);
        }
        if self.index.is_changing() {
            stages.extend(self.index.keys_to_fill().into_iter().map(Stage::Index));
            stages.push_back(Stage::Unindex);
        }
        stages
    }

    /// Whether all rotations have settled. Index rows under retired keys come only from lagging nodes, and no node
    /// lags forever: once a pass finds none, there will be none.
    pub fn is_settled(&self) -> bool {
        self.vault.replaced_master_keys().is_empty() && self.index.is_settled()
    }

    /// How many rows passes still have to change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remaining(&self) -> Result<u64, StoreError> {
        let mut remaining = 0;
        for stage in self.stages() {
            remaining += match stage {
                Stage::ServiceKeys => {
                    let masters = self.vault.replaced_master_keys();
                    self.count(&masters, |id| Dependents::ServiceKeys(id))
                        .await?
                }
                Stage::DataKeys => {
                    let masters = self.vault.replaced_master_keys();
                    self.count(&masters, |id| Dependents::DataKeys(id)).await?
                }
                Stage::Index(key) => {
                    self.count(&[key], |id| Dependents::AccountsWithout(id))
                        .await?
                }
                Stage::Unindex => {
                    let retired = self.index.retired_keys();
                    self.count(&retired, |id| Dependents::IndexRows(id)).await?
                }
            };
        }
        Ok(remaining)
    }

    async fn count(
        &self,
        keys: &[String],
        of: impl Fn(&str) -> Dependents<'_>,
    ) -> Result<u64, StoreError> {
        let mut all = 0;
        for key in keys {
            all += self
                .store
                .count_dependents(of(key), self.clock.now())
                .await?;
        }
        Ok(all)
    }

    async fn batch(&self, after: AccountId) -> Result<Batch, StoreError> {
        let until = self.store.find_batch_end(after, BATCH).await?;
        Ok(Batch { after, until })
    }

    async fn note(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        task: KeyTask,
        changed: u64,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        unit.rekeying().note_key_task(task, changed, now).await?;
        unit.commit().await
    }

    async fn rewrap_service_keys(&self) -> Result<Done, StoreError> {
        let replaced = self.vault.replaced_master_keys();
        let mut unit = self.store.begin().await?;
        let keys = unit.rekeying().lock_service_keys(&replaced).await?;
        if keys.is_empty() {
            return Ok(Done::default());
        }
        let mut changed = 0;
        for key in &keys {
            let next = self
                .vault
                .rewrap_service_key(key)
                .map_err(|_| corrupt("service_keys", "wrapped_key"))?;
            changed += u64::from(unit.rekeying().save_service_key(key, &next).await?);
        }
        self.note(unit, KeyTask::Rewrapping, changed).await?;
        Ok(Done {
            changed,
            ..Done::default()
        })
    }

    async fn rewrap(&self, after: AccountId) -> Result<Done, StoreError> {
        let replaced = self.vault.replaced_master_keys();
        let batch = self.batch(after).await?;
        let mut unit = self.store.begin().await?;
        let found = unit.rekeying().lock_data_keys(&replaced, batch).await?;
        let mut done = Done {
            next: batch.until,
            ..Done::default()
        };
        let mut keys = Vec::with_capacity(found.len());
        for (account, read) in found {
            if let Ok(next) = self.vault.rewrap_key(account, &read) {
                keys.push(Rewrapped {
                    account,
                    read,
                    next,
                });
            } else {
                done.stuck += 1;
                report_unreadable(account, "data key");
            }
        }
        if !keys.is_empty() {
            done.changed = unit.rekeying().save_rewrapped(&keys).await?;
            self.note(unit, KeyTask::Rewrapping, done.changed).await?;
        }
        Ok(done)
    }

    async fn index(&self, key: &str, after: AccountId) -> Result<Done, StoreError> {
        // The key may have been withdrawn since the pass began.
        if !self.index.keys_to_fill().iter().any(|it| it == key) {
            return Ok(Done::default());
        }
        let batch = self.batch(after).await?;
        let mut unit = self.store.begin().await?;
        let found = unit.rekeying().lock_unindexed(key, batch).await?;
        let mut done = Done {
            next: batch.until,
            ..Done::default()
        };
        let mut entries = Vec::with_capacity(found.len());
        for account in &found {
            if let Some(entry) = self.entry_of(key, account) {
                entries.push((account.account, entry));
            } else {
                done.stuck += 1;
                report_unreadable(account.account, "identifier");
            }
        }
        if !entries.is_empty() {
            let indexed = unit.rekeying().add_index_entries(&entries).await?;
            done.changed = indexed.added;
            for account in indexed.taken {
                done.stuck += 1;
                report_taken(account);
            }
            self.note(unit, KeyTask::Indexing, done.changed).await?;
        }
        Ok(done)
    }

    fn entry_of(&self, key: &str, account: &Unindexed) -> Option<IndexEntry> {
        let vault = self.vault.as_ref();
        let id = account.account;
        let data_key = vault.unwrap_key(id, &account.wrapped_key).ok()?;
        let identifier = open_identifier(vault, id, &data_key, &account.identifier).ok()?;
        self.index.entry_under(key, &identifier)
    }

    async fn unindex(&self, after: AccountId) -> Result<Done, StoreError> {
        let retired = self.index.retired_keys();
        if retired.is_empty() {
            return Ok(Done::default());
        }
        let batch = self.batch(after).await?;
        let mut unit = self.store.begin().await?;
        let changed = unit
            .rekeying()
            .remove_index_entries(&retired, batch)
            .await?;
        if changed > 0 {
            self.note(unit, KeyTask::Unindexing, changed).await?;
        }
        Ok(Done {
            changed,
            stuck: 0,
            next: batch.until,
        })
    }
}

impl Pass<'_> {
    /// Processes one batch and returns how many rows it changed; `None` when the pass is complete.
    ///
    /// # Errors
    /// [`StoreError`]: this batch was rolled back, earlier ones stay.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn step(&mut self) -> Result<Option<u64>, StoreError> {
        let Some(stage) = self.stages.front() else {
            return Ok(None);
        };
        let (work, after) = (self.work, self.after);
        let (done, counter) = match stage {
            Stage::ServiceKeys => {
                let done = retrying(|| work.rewrap_service_keys()).await?;
                (done, &mut self.outcome.rewrapped)
            }
            Stage::DataKeys => {
                let done = retrying(|| work.rewrap(after)).await?;
                (done, &mut self.outcome.rewrapped)
            }
            Stage::Index(key) => {
                let done = retrying(|| work.index(key, after)).await?;
                (done, &mut self.outcome.indexed)
            }
            Stage::Unindex => {
                let done = retrying(|| work.unindex(after)).await?;
                (done, &mut self.outcome.unindexed)
            }
        };
        *counter += done.changed;
        self.outcome.stuck += done.stuck;
        self.after = done.next.unwrap_or_else(|| {
            self.stages.pop_front();
            Id::from_uuid(Uuid::nil())
        });
        Ok(Some(done.changed))
    }

    /// The progress so far.
    pub const fn outcome(&self) -> PassOutcome {
        self.outcome
    }
}

/// Only this account is skipped; its value stays as it is, and prevents its old key from being retired.
fn report_unreadable(account: AccountId, what: &'static str) {
    tracing::error!(account = %account, what, "a stored value does not open; its key is not changed");
}

/// Another account registered the identifier while this one had no row: a rotation step was forced.
fn report_taken(account: AccountId) {
    tracing::error!(account = %account, "the identifier is another account's by now; it is not indexed");
}
