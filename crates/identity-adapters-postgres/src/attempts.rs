//! Counters of failures and guesses: each a single conditional write, exact under any number of rivals.

use async_trait::async_trait;
use authentication_app::ports::{AttemptLedger, FailureScope, StoreError, Subject, TriesScope};
use authentication_domain::{
    protection::{AttemptCounter, LockoutRules},
    sessions::DeviceId,
};
use common::clock::SKEW;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    sql::{Sql, skew},
    unit_of_work::SqlUnitOfWork,
};

/// What stands for "no known device" in keys.
pub(crate) const NO_DEVICE: Uuid = Uuid::nil();

/// Whether the failures so far still count: not after a lock, not after the window, and not from the future.
macro_rules! counts {
    () => {
        concat!(
            "f.locked_until IS NULL AND f.since > $3 - $5 AND f.since <= $3 + ",
            skew!()
        )
    };
}

/// `LockoutRules::after_failure`, in SQL. `$1` subject, `$2` device, `$3` now, `$4` failures that lock,
/// `$5` window. No row comes back while the lock holds; none holds for longer than the window.
const RECORD_FAILURE: &str = concat!(
    "INSERT INTO sign_in_failures AS f (subject, device_id, failures, since, locked_until) \
     VALUES ($1, $2, 1, $3, CASE WHEN $4 <= 1 THEN $3 + $5 END) \
     ON CONFLICT (subject, device_id) DO UPDATE SET \
     failures = CASE WHEN ",
    counts!(),
    " THEN f.failures + 1 ELSE 1 END, since = CASE WHEN ",
    counts!(),
    " THEN f.since ELSE $3 END, locked_until = CASE WHEN (CASE WHEN ",
    counts!(),
    " THEN f.failures + 1 ELSE 1 END) >= $4 THEN $3 + $5 END \
     WHERE f.locked_until IS NULL OR f.locked_until <= $3 OR f.locked_until > $3 + $5 + ",
    skew!(),
    " RETURNING failures, since, locked_until"
);

/// Not a DELETE, which could not tell a locked row from none. What is cleared counts from the beginning of
/// time, so the next failure is a first one and the next purge takes the row.
/// `$1` subject, `$2` device, `$3` now, `$4` until when a lock can hold.
const CLEAR_FAILURES: &str = "UPDATE sign_in_failures SET \
     failures = CASE WHEN locked_until > $3 AND locked_until <= $4 THEN failures ELSE 0 END, \
     since = CASE WHEN locked_until > $3 AND locked_until <= $4 THEN since ELSE 0 END, \
     locked_until = CASE WHEN locked_until > $3 AND locked_until <= $4 THEN locked_until END \
     WHERE subject = $1 AND device_id = $2 \
     RETURNING locked_until";

const FORGET_SUBJECT: &str = "DELETE FROM sign_in_failures WHERE subject = $1";

macro_rules! in_window {
    () => {
        concat!("(t.since > $4 - $6 AND t.since <= $4 + ", skew!(), ")")
    };
}

/// `$1` subject, `$2` purpose, `$3` device, `$4` now, `$5` most, `$6` window.
const COUNT_TRY: &str = concat!(
    "INSERT INTO code_tries AS t (subject, purpose, device_id, tries, since) \
     SELECT $1, $2, $3, 1, $4 WHERE $5 > 0 \
     ON CONFLICT (subject, purpose, device_id) DO UPDATE SET \
     tries = CASE WHEN ",
    in_window!(),
    " THEN t.tries + 1 ELSE 1 END, since = CASE WHEN ",
    in_window!(),
    " THEN t.since ELSE $4 END WHERE t.tries < $5 OR NOT ",
    in_window!(),
    " RETURNING tries"
);

#[async_trait]
impl AttemptLedger for SqlUnitOfWork {
    #[tracing::instrument(name = "attempts.record_failure", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn record_failure(
        &mut self,
        scope: FailureScope,
        rules: LockoutRules,
        now: OffsetDateTime,
    ) -> Result<Option<AttemptCounter>, StoreError> {
        const TABLE: &str = "sign_in_failures";
        let row = Sql::new(RECORD_FAILURE)
            .bind(&scope.subject)
            .bind(&key_of(scope.device))
            .bind(&now)
            .bind(&rules.failures)
            .bind(&rules.window)
            .row(self)
            .await?;
        row.map(|row| {
            Ok(AttemptCounter {
                failures: row.get(TABLE, "failures")?,
                since: row.get(TABLE, "since")?,
                locked_until: row.find(TABLE, "locked_until")?,
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "attempts.clear_failures", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn clear_failures(
        &mut self,
        scope: FailureScope,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let row = Sql::new(CLEAR_FAILURES)
            .bind(&scope.subject)
            .bind(&key_of(scope.device))
            .bind(&now)
            .bind(&(now + LockoutRules::WINDOW + SKEW))
            .row(self)
            .await?;
        let locked_until: Option<OffsetDateTime> = row
            .map(|row| row.find("sign_in_failures", "locked_until"))
            .transpose()?
            .flatten();
        Ok(locked_until.is_none())
    }

    #[tracing::instrument(name = "attempts.forget_subject", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn forget_subject(&mut self, subject: Subject) -> Result<(), StoreError> {
        Sql::new(FORGET_SUBJECT)
            .bind(&subject)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "attempts.count_try", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn count_try(
        &mut self,
        scope: TriesScope,
        most: u32,
        window: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError> {
        let row = Sql::new(COUNT_TRY)
            .bind(&scope.subject)
            .bind(&scope.purpose)
            .bind(&key_of(scope.device))
            .bind(&now)
            .bind(&most)
            .bind(&window)
            .row(self)
            .await?;
        row.map(|row| row.get("code_tries", "tries")).transpose()
    }
}

fn key_of(device: Option<DeviceId>) -> Uuid {
    device.map_or(NO_DEVICE, |device| device.as_uuid())
}
