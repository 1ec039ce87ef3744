//! Data keys and index rows, while keys change.
//!
//! Batches go along the primary keys of accounts, so that a pass reads each row once however many batches
//! it has. On PostgreSQL rows that another unit holds are passed over; on SQLite a unit is alone.

use async_trait::async_trait;
use authentication_app::ports::{
    Batch, IndexEntry, KeyTask, RekeyingRepository, Rewrapped, ServiceKeyRecord, StoreError,
    Unindexed, WrappedKey,
};
use authentication_domain::accounts::AccountId;
use time::OffsetDateTime;

use crate::{
    account_record::wrapped_key_of,
    dialect::Dialect,
    sql::{Row, Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

pub(crate) const SERVICE_KEYS: &str = "service_keys";

/// `$1` account, `$2` accounts, `$3` master keys and on.
const DATA_KEYS: &str = "SELECT account_id, master_key_id, wrapped_key FROM account_keys \
     WHERE account_id > $1 AND master_key_id IN ";

/// `$1` account, `$2` accounts, `$3` index key. By the primary keys of `accounts` and `account_keys`, and
/// `identifier_index_account_id_idx`.
macro_rules! unindexed {
    ($lock:literal) => {
        concat!(
            "SELECT a.id AS owner_id, a.identifier, k.master_key_id, k.wrapped_key \
             FROM accounts a JOIN account_keys k ON k.account_id = a.id \
             WHERE a.id > $1 AND NOT EXISTS (SELECT 1 FROM identifier_index i \
             WHERE i.account_id = a.id AND i.key_id = $3) ORDER BY a.id LIMIT $2",
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
        let text = format!("{DATA_KEYS}{masters_in} ORDER BY account_id LIMIT $2{lock}");
        let question = Sql::new(text).bind(&batch.after).bind(&batch.most);
        let question = masters.iter().fold(question, Sql::bind);
        let rows = question.rows(db).await?;
        let key_of = |row: &Row| Ok((row.get("account_keys", "account_id")?, wrapped_key_of(row)?));
        rows.iter().map(key_of).collect()
    }

    /// One statement for all.
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
        let rows = Sql::new(text)
            .bind(&batch.after)
            .bind(&batch.most)
            .bind(key_id)
            .rows(db)
            .await?;
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
    ) -> Result<u64, StoreError> {
        if entries.is_empty() {
            return Ok(0);
        }
        let rows = tuples(1, entries.len(), 3);
        let text = format!(
            "INSERT INTO identifier_index (key_id, digest, account_id) VALUES {rows} \
             ON CONFLICT DO NOTHING"
        );
        let insert = entries
            .iter()
            .fold(Sql::new(text), |sql, (account, entry)| {
                sql.bind(&entry.key_id).bind(&entry.digest).bind(account)
            });
        insert.execute(self).await
    }

    /// By `identifier_index_account_id_idx`, along the accounts.
    #[tracing::instrument(name = "rekeying.remove_index_entries", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn remove_index_entries(
        &mut self,
        key_ids: &[String],
        batch: Batch,
    ) -> Result<Option<(AccountId, u64)>, StoreError> {
        if key_ids.is_empty() {
            return Ok(None);
        }
        let db = &*self;
        let lock = Dialect::of(db).pick(" FOR UPDATE SKIP LOCKED", "");
        let keys_in = tuples(3, 1, key_ids.len());
        let text = format!(
            "WITH dead AS MATERIALIZED (SELECT digest, key_id FROM identifier_index \
             WHERE account_id > $1 AND key_id IN {keys_in} ORDER BY account_id LIMIT $2{lock}) \
             DELETE FROM identifier_index WHERE (digest, key_id) IN (SELECT digest, key_id FROM dead) \
             RETURNING account_id"
        );
        let delete = Sql::new(text).bind(&batch.after).bind(&batch.most);
        let delete = key_ids.iter().fold(delete, Sql::bind);
        let rows = delete.rows(db).await?;
        let accounts: Result<Vec<AccountId>, _> = rows
            .iter()
            .map(|row| row.get("identifier_index", "account_id"))
            .collect();
        let last = accounts?.into_iter().max();
        Ok(last.map(|last| (last, u64::try_from(rows.len()).unwrap_or(u64::MAX))))
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
