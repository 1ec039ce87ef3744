//! Data keys and index rows during a key change.
//!
//! A batch is a range of account ids, in the order of the primary key, so a pass reads each row once however many
//! batches it has. On PostgreSQL, rows that another unit holds are skipped; on SQLite there is one writer at a time.

use std::borrow::Cow;

use async_trait::async_trait;
use authentication_app::ports::{
    Batch, IndexEntry, Indexed, KeyTask, RekeyingRepository, Rewrapped, ServiceKeyRecord,
    StoreError, Unindexed, WrappedKey,
};
use authentication_domain::accounts::AccountId;
use common::Id;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    account_record::wrapped_key_of,
    dialect::Dialect,
    sql::{Row, Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

pub(crate) const SERVICE_KEYS: &str = "service_keys";

/// `$1` and `$2` the range of accounts, master keys from `$3` on. By the primary key.
const DATA_KEYS: &str = "SELECT account_id, master_key_id, wrapped_key FROM account_keys \
     WHERE account_id > $1 AND account_id <= $2 AND master_key_id IN ";

/// Accounts without a row under an index key. Shared by the count and the work, so that they always agree.
macro_rules! without_row {
    ($key:literal) => {
        concat!(
            "accounts a JOIN account_keys k ON k.account_id = a.id \
             WHERE NOT EXISTS (SELECT 1 FROM identifier_index i \
             WHERE i.account_id = a.id AND i.key_id = ",
            $key,
            " AND i.reserved_until IS NULL)"
        )
    };
}
pub(crate) use without_row;

/// `$1` and `$2` the range of accounts, `$3` index key. By the primary keys of `accounts` and `account_keys`, and
/// `identifier_index_account_id_idx`.
macro_rules! unindexed {
    ($lock:literal) => {
        concat!(
            "SELECT a.id AS owner_id, a.identifier, k.master_key_id, k.wrapped_key FROM ",
            without_row!("$3"),
            " AND a.id > $1 AND a.id <= $2 ORDER BY a.id",
            $lock
        )
    };
}

const SAVE_SERVICE_KEY: &str = "UPDATE service_keys SET master_key_id = $2, wrapped_key = $3 \
     WHERE id = $1 AND master_key_id = $4 AND wrapped_key = $5";

const NOTE_TASK: &str = "INSERT INTO key_tasks AS t (task, changed_rows, last_at) VALUES ($1, $2, $3) \
     ON CONFLICT (task) DO UPDATE SET changed_rows = t.changed_rows + excluded.changed_rows, \
     last_at = CASE WHEN excluded.last_at > t.last_at THEN excluded.last_at ELSE t.last_at END";

#[async_trait]
impl RekeyingRepository for SqlUnitOfWork {
    #[tracing::instrument(name = "rekeying.lock_data_keys", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn lock_data_keys(
        &mut self,
        masters: &[String],
        batch: Batch,
    ) -> Result<Vec<(AccountId, WrappedKey)>, StoreError> {
        if masters.is_empty() {
            return Ok(Vec::new());
        }
        let db = &*self;
        let lock = Dialect::of(db).pick(" FOR UPDATE SKIP LOCKED", "");
        let masters_in = tuples(3, 1, masters.len());
        let text = format!("{DATA_KEYS}{masters_in} ORDER BY account_id{lock}");
        let question = masters.iter().fold(in_batch(text, batch), Sql::bind);
        let rows = question.rows(db).await?;
        let key_of = |row: &Row| Ok((row.get("account_keys", "account_id")?, wrapped_key_of(row)?));
        rows.iter().map(key_of).collect()
    }

    /// One statement for all keys.
    #[tracing::instrument(name = "rekeying.save_rewrapped", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn save_rewrapped(&mut self, keys: &[Rewrapped]) -> Result<u64, StoreError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let rows = tuples(1, keys.len(), 5);
        let text = format!(
            "UPDATE account_keys SET master_key_id = entry.column4, wrapped_key = entry.column5 \
             FROM (VALUES {rows}) AS entry WHERE account_id = entry.column1 \
             AND master_key_id = entry.column2 AND wrapped_key = entry.column3"
        );
        let update = keys.iter().fold(Sql::new(text), |sql, key| {
            sql.bind(&key.account)
                .bind(&key.read.master_key_id)
                .bind(&key.read.bytes)
                .bind(&key.next.master_key_id)
                .bind(&key.next.bytes)
        });
        update.execute(self).await
    }

    #[tracing::instrument(name = "rekeying.lock_service_keys", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn lock_service_keys(
        &mut self,
        masters: &[String],
    ) -> Result<Vec<ServiceKeyRecord>, StoreError> {
        if masters.is_empty() {
            return Ok(Vec::new());
        }
        let db = &*self;
        let lock = Dialect::of(db).pick(" FOR UPDATE", "");
        let masters_in = tuples(1, 1, masters.len());
        let text = format!(
            "SELECT id, master_key_id, wrapped_key FROM service_keys \
             WHERE master_key_id IN {masters_in}{lock}"
        );
        let question = masters.iter().fold(Sql::new(text), Sql::bind);
        let rows = question.rows(db).await?;
        let record_of = |row: &Row| {
            Ok(ServiceKeyRecord {
                id: row.get(SERVICE_KEYS, "id")?,
                wrapped: wrapped_key_of(row)?,
            })
        };
        rows.iter().map(record_of).collect()
    }

    #[tracing::instrument(name = "rekeying.save_service_key", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn save_service_key(
        &mut self,
        read: &ServiceKeyRecord,
        next: &WrappedKey,
    ) -> Result<bool, StoreError> {
        let saved = Sql::new(SAVE_SERVICE_KEY)
            .bind(&read.id)
            .bind(&next.master_key_id)
            .bind(&next.bytes)
            .bind(&read.wrapped.master_key_id)
            .bind(&read.wrapped.bytes)
            .execute(self)
            .await?;
        Ok(saved == 1)
    }

    #[tracing::instrument(name = "rekeying.lock_unindexed", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn lock_unindexed(
        &mut self,
        key_id: &str,
        batch: Batch,
    ) -> Result<Vec<Unindexed>, StoreError> {
        let db = &*self;
        let text = Dialect::of(db).pick(
            unindexed!(" FOR NO KEY UPDATE OF a SKIP LOCKED"),
            unindexed!(""),
        );
        let rows = in_batch(text, batch).bind(key_id).rows(db).await?;
        let unindexed_of = |row: &Row| {
            Ok(Unindexed {
                account: row.get("accounts", "owner_id")?,
                wrapped_key: wrapped_key_of(row)?,
                identifier: row.get("accounts", "identifier")?,
            })
        };
        rows.iter().map(unindexed_of).collect()
    }

    #[tracing::instrument(name = "rekeying.add_index_entries", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn add_index_entries(
        &mut self,
        entries: &[(AccountId, IndexEntry)],
    ) -> Result<Indexed, StoreError> {
        if entries.is_empty() {
            return Ok(Indexed::default());
        }
        let rows = tuples(1, entries.len(), 3);
        let text = format!(
            "INSERT INTO identifier_index (key_id, digest, account_id) VALUES {rows} \
             ON CONFLICT (digest, key_id) DO UPDATE SET reserved_until = NULL \
             WHERE identifier_index.reserved_until IS NOT NULL \
             AND identifier_index.account_id = excluded.account_id"
        );
        let added = of_entries(text, entries).execute(self).await?;
        if added == entries.len() as u64 {
            return Ok(Indexed {
                added,
                taken: Vec::new(),
            });
        }
        // A row that another unit has added for the same account is fine; a row of another account is not. By the
        // primary key.
        let text = format!(
            "SELECT entry.column3 AS owner_id FROM (VALUES {rows}) AS entry JOIN identifier_index i \
             ON i.key_id = entry.column1 AND i.digest = entry.column2 \
             WHERE i.account_id <> entry.column3"
        );
        let rows = of_entries(text, entries).rows(self).await?;
        let taken = rows.iter().map(|row| row.get("accounts", "owner_id"));
        Ok(Indexed {
            added,
            taken: taken.collect::<Result<_, _>>()?,
        })
    }

    /// By `identifier_index_account_id_idx`, in the order of accounts.
    #[tracing::instrument(name = "rekeying.remove_index_entries", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn remove_index_entries(
        &mut self,
        key_ids: &[String],
        batch: Batch,
    ) -> Result<u64, StoreError> {
        if key_ids.is_empty() {
            return Ok(0);
        }
        let db = &*self;
        let lock = Dialect::of(db).pick(" FOR UPDATE SKIP LOCKED", "");
        let keys_in = tuples(3, 1, key_ids.len());
        let text = format!(
            "WITH dead AS MATERIALIZED (SELECT digest, key_id FROM identifier_index \
             WHERE account_id > $1 AND account_id <= $2 AND key_id IN {keys_in}{lock}) \
             DELETE FROM identifier_index WHERE (digest, key_id) IN (SELECT digest, key_id FROM dead)"
        );
        let delete = key_ids.iter().fold(in_batch(text, batch), Sql::bind);
        delete.execute(db).await
    }

    #[tracing::instrument(name = "rekeying.note_key_task", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn note_key_task(
        &mut self,
        task: KeyTask,
        rows: u64,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        Sql::new(NOTE_TASK)
            .bind(task.as_str())
            .bind(&i64::try_from(rows).unwrap_or(i64::MAX))
            .bind(&now)
            .execute(self)
            .await?;
        Ok(())
    }
}

/// `$1` and `$2` are the bounds of the batch. Ids are compared bytewise on both engines.
fn in_batch(text: impl Into<Cow<'static, str>>, batch: Batch) -> Sql {
    let last = batch.until.unwrap_or(Id::from_uuid(Uuid::max()));
    Sql::new(text).bind(&batch.after).bind(&last)
}

fn of_entries(text: String, entries: &[(AccountId, IndexEntry)]) -> Sql {
    entries
        .iter()
        .fold(Sql::new(text), |sql, (account, entry)| {
            sql.bind(&entry.key_id).bind(&entry.digest).bind(account)
        })
}
