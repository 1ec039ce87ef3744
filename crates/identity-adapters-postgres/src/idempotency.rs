//! Recorded answers to requests with an idempotency key.

use async_trait::async_trait;
use authentication_app::ports::{IdempotencyKey, IdempotencyLedger, IdempotencyRecord, StoreError};
use common::clock::SKEW;
use time::OffsetDateTime;

use crate::{
    sql::{Db, Row, Sql},
    unit_of_work::SqlUnitOfWork,
};

const RECORDS: &str = "idempotency_records";

/// `$5` now, `$6` the latest expiry that an answer can have. Returns a row if this answer is the recorded one. Waits
/// for a concurrent unit that records the same key.
const RECORD: &str = "INSERT INTO idempotency_records AS r (scope, fingerprint, answer, expires_at) \
     VALUES ($1, $2, $3, $4) \
     ON CONFLICT (scope) DO UPDATE SET fingerprint = excluded.fingerprint, \
     answer = excluded.answer, expires_at = excluded.expires_at \
     WHERE r.expires_at <= $5 OR r.expires_at > $6 \
     RETURNING scope";

const FIND: &str = "SELECT scope, fingerprint, answer, expires_at FROM idempotency_records \
     WHERE scope = $1 AND expires_at > $2 AND expires_at <= $3";

const CLAIM: &str = "DELETE FROM idempotency_records WHERE scope = $1 RETURNING scope";

#[async_trait]
impl IdempotencyLedger for SqlUnitOfWork {
    /// One statement, two if an answer is already recorded.
    #[tracing::instrument(name = "idempotency.record", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn record(
        &mut self,
        record: &IdempotencyRecord,
        now: OffsetDateTime,
    ) -> Result<Option<IdempotencyRecord>, StoreError> {
        let recorded = Sql::new(RECORD)
            .bind(&record.key)
            .bind(&record.fingerprint)
            .bind(&record.answer)
            .bind(&record.expires_at)
            .bind(&now)
            .bind(&latest(now))
            .row(self)
            .await?;
        if recorded.is_some() {
            return Ok(None);
        }
        let there = find(self, record.key, now).await?;
        // It existed a moment ago. It has been deleted since, so a retry can record this answer.
        there.map(Some).ok_or(StoreError::Retryable)
    }

    #[tracing::instrument(name = "idempotency.claim", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn claim(&mut self, key: IdempotencyKey) -> Result<bool, StoreError> {
        let claimed = Sql::new(CLAIM).bind(&key).row(self).await?;
        Ok(claimed.is_some())
    }
}

/// The answer recorded for a key, unless it has expired.
pub(crate) async fn find(
    db: &impl Db,
    key: IdempotencyKey,
    now: OffsetDateTime,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    let sql = Sql::new(FIND).bind(&key).bind(&now).bind(&latest(now));
    let row = sql.row(db).await?;
    row.as_ref().map(record_of).transpose()
}

/// The latest expiry that an answer recorded by now can have.
fn latest(now: OffsetDateTime) -> OffsetDateTime {
    now + IdempotencyRecord::REPLAYED_FOR + SKEW
}

fn record_of(row: &Row) -> Result<IdempotencyRecord, StoreError> {
    Ok(IdempotencyRecord {
        key: row.get(RECORDS, "scope")?,
        fingerprint: row.get(RECORDS, "fingerprint")?,
        answer: row.get(RECORDS, "answer")?,
        expires_at: row.get(RECORDS, "expires_at")?,
    })
}
