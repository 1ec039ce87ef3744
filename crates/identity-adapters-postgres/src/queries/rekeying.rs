//! Reads for a key change, and the one write that creates the service's data key.

use async_trait::async_trait;
use authentication_app::ports::{
    Dependents, KeyTask, RekeyingQueries, ServiceKeyRecord, StoreError, Subject, SubjectWindows,
    TaskProgress, WrappedKey,
};
use authentication_domain::accounts::AccountId;
use time::OffsetDateTime;

use crate::{
    account_record::wrapped_key_of,
    error::Fault,
    rekeying::{SERVICE_KEYS, without_row},
    sql::{Sql, tuples},
    store::Store,
};

const FIND_SERVICE_KEY: &str = "SELECT master_key_id, wrapped_key FROM service_keys WHERE id = $1";

const KEEP_SERVICE_KEY: &str = "INSERT INTO service_keys (id, master_key_id, wrapped_key, made_at) \
     VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING";

/// `$1` account, `$2` accounts to skip. By the primary key.
const BATCH_END: &str = "SELECT id FROM accounts WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2";

/// `$1` now, `$2` since when failures count, `$3` the same for guesses, `$4` for messages; then the candidates. By
/// primary keys, which begin with the subject.
const IN_USE: &str = " AS entry WHERE \
     EXISTS (SELECT 1 FROM sign_in_failures f WHERE f.subject = entry.column1 \
     AND (f.locked_until > $1 OR (f.failures > 0 AND f.since > $2))) \
     OR EXISTS (SELECT 1 FROM code_tries t WHERE t.subject = entry.column1 AND t.since > $3) \
     OR EXISTS (SELECT 1 FROM message_quotas q WHERE q.subject = entry.column1 AND q.day_since > $4) \
     LIMIT 1";

#[async_trait]
impl RekeyingQueries for Store {
    #[tracing::instrument(name = "rekeying.find_service_key", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_service_key(&self, id: &str) -> Result<Option<WrappedKey>, StoreError> {
        // From the writer: a key that another node has just stored must be seen.
        let row = Sql::new(FIND_SERVICE_KEY)
            .bind(id)
            .row(&self.writer)
            .await?;
        row.as_ref().map(wrapped_key_of).transpose()
    }

    #[tracing::instrument(name = "rekeying.keep_service_key", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn keep_service_key(
        &self,
        key: &ServiceKeyRecord,
        now: OffsetDateTime,
    ) -> Result<WrappedKey, StoreError> {
        Sql::new(KEEP_SERVICE_KEY)
            .bind(&key.id)
            .bind(&key.wrapped.master_key_id)
            .bind(&key.wrapped.bytes)
            .bind(&now)
            .execute(&self.writer)
            .await?;
        let kept = self.find_service_key(&key.id).await?;
        kept.ok_or_else(|| Fault::MissingRow(SERVICE_KEYS).into())
    }

    #[tracing::instrument(name = "rekeying.subject_in_use", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn subject_in_use(
        &self,
        candidates: &[Subject],
        windows: SubjectWindows,
        now: OffsetDateTime,
    ) -> Result<Option<Subject>, StoreError> {
        if candidates.is_empty() {
            return Ok(None);
        }
        let rows = tuples(5, candidates.len(), 1);
        let text = format!("SELECT entry.column1 AS subject FROM (VALUES {rows}){IN_USE}");
        let question = Sql::new(text)
            .bind(&now)
            .bind(&(now - windows.failures))
            .bind(&(now - windows.tries))
            .bind(&(now - windows.messages));
        let question = candidates.iter().fold(question, Sql::bind);
        let row = question.row(&self.readers).await?;
        row.map(|row| row.get("code_tries", "subject")).transpose()
    }

    #[tracing::instrument(name = "rekeying.find_batch_end", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_batch_end(
        &self,
        after: AccountId,
        accounts: u32,
    ) -> Result<Option<AccountId>, StoreError> {
        let row = Sql::new(BATCH_END)
            .bind(&after)
            .bind(&accounts.saturating_sub(1))
            .row(&self.readers)
            .await?;
        row.map(|row| row.get("accounts", "id")).transpose()
    }

    #[tracing::instrument(name = "rekeying.count_dependents", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn count_dependents(
        &self,
        of: Dependents<'_>,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let row = question(of, now).row(&self.readers).await?;
        let row = row.ok_or(Fault::MissingRow("a count"))?;
        let count: i64 = row.get("", "dependents")?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    #[tracing::instrument(name = "rekeying.key_tasks", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn key_tasks(&self) -> Result<Vec<TaskProgress>, StoreError> {
        const TABLE: &str = "key_tasks";
        let rows = Sql::new("SELECT task, changed_rows, last_at FROM key_tasks ORDER BY task")
            .rows(&self.readers)
            .await?;
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let name: String = row.get(TABLE, "task")?;
            let task = KeyTask::ALL.into_iter().find(|task| task.as_str() == name);
            // A later release may have more tasks.
            let Some(task) = task else { continue };
            let rows: i64 = row.get(TABLE, "changed_rows")?;
            all.push(TaskProgress {
                task,
                rows: u64::try_from(rows).unwrap_or_default(),
                last_at: row.get(TABLE, "last_at")?,
            });
        }
        Ok(all)
    }
}

/// Most of these scan a whole table: operators run them now and then, requests never do.
fn question(of: Dependents<'_>, now: OffsetDateTime) -> Sql {
    let count = |what: &str| Sql::new(format!("SELECT count(*) AS dependents FROM {what}"));
    match of {
        Dependents::DataKeys(id) => count("account_keys WHERE master_key_id = $1").bind(id),
        Dependents::ServiceKeys(id) => count("service_keys WHERE master_key_id = $1").bind(id),
        Dependents::ValuesUnder(id) => sealed_under(id),
        Dependents::IndexRows(id) => count("identifier_index WHERE key_id = $1").bind(id),
        Dependents::AccountsWithout(id) => count(without_row!("$1")).bind(id),
        Dependents::Sessions(id) => count(
            "sessions WHERE refresh_key_id = $1 AND ended_at IS NULL AND idle_deadline > $2 \
             AND absolute_deadline > $2",
        )
        .bind(id)
        .bind(&now),
        Dependents::DevicesUnusedSince(at) => count("devices WHERE last_used_at < $1").bind(&at),
        Dependents::SendingsBefore { at, live_for } => {
            count("code_dispatches WHERE used_at IS NULL AND sent_at <= $1 AND sent_at > $2")
                .bind(&at)
                .bind(&(now - live_for))
        }
        Dependents::AnswersExpiringBefore(at) => {
            count("idempotency_records WHERE expires_at > $1 AND expires_at <= $2")
                .bind(&now)
                .bind(&at)
        }
        Dependents::Hashes(mark) => {
            count("password_credentials WHERE password_hash LIKE $1").bind(&format!("%{mark}%"))
        }
    }
}

/// Values whose first bytes name a master key: version 1, the length of the id, the id.
fn sealed_under(id: &str) -> Sql {
    const PLACES: [(&str, &str); 4] = [
        ("challenges", "payload"),
        ("outbox_messages", "typed_identifier"),
        ("idempotency_records", "answer"),
        ("audit_entries", "context"),
    ];
    let mut head = vec![1, u8::try_from(id.len()).unwrap_or(u8::MAX)];
    head.extend_from_slice(id.as_bytes());
    let length = head.len();
    let counts = PLACES.map(|(table, column)| {
        let own = if table == "audit_entries" {
            " AND sealed_for IS NULL"
        } else {
            ""
        };
        format!("(SELECT count(*) FROM {table} WHERE substr({column}, 1, {length}) = $1{own})")
    });
    Sql::new(format!("SELECT {} AS dependents", counts.join(" + "))).bind(&head)
}
