//! Recorded answers to requests that may be repeated.

use async_trait::async_trait;
use authentication_app::ports::{IdempotencyKey, IdempotencyLedger, IdempotencyRecord, StoreError};
use common::clock::SKEW;
use time::OffsetDateTime;

use crate::{
    sql::{Db, Row, Sql},
    unit_of_work::SqlUnitOfWork,
};

const RECORDS: &str = "idempotency_records";

/// `$5` now, `$6` the latest end that an answer can have. A row comes back when this answer is the recorded one. A
/// rival's unit in flight is waited for.
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
    /// One statement, two when there is an answer already.
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
        // It was there a moment ago: whoever removed it left room for this one.
        there.map(Some).ok_or(StoreError::Retryable)
    }

    #[tracing::instrument(name = "idempotency.claim", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn claim(&mut self, key: IdempotencyKey) -> Result<bool, StoreError> {
        let claimed = Sql::new(CLAIM).bind(&key).row(self).await?;
        Ok(claimed.is_some())
    }
}

/// The answer recorded for a key, unless expired.
pub(crate) async fn find(
    db: &impl Db,
    key: IdempotencyKey,
    now: OffsetDateTime,
) -> Result<Option<IdempotencyRecord>, StoreError> {
    let sql = Sql::new(FIND).bind(&key).bind(&now).bind(&latest(now));
    let row = sql.row(db).await?;
    row.as_ref().map(record_of).transpose()
}

/// The latest end that an answer recorded by now can have.
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
