//! Counters of failures and guesses. Each is a single conditional write, so that it is exact under concurrency.

use async_trait::async_trait;
use authentication_app::ports::{
    AttemptLedger, Cleared, CountedGuess, FailureScope, Guess, StoreError, Subject, TriesScope,
};
use authentication_domain::{
    accounts::AccountId,
    challenges::{ChallengeRules, CodeFormat},
    protection::{AttemptCounter, LockoutRules},
    sessions::DeviceId,
};
use common::clock::SKEW;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    sql::{Row, Sql, skew, tuples},
    unit_of_work::SqlUnitOfWork,
};

/// The key of "no known device".
pub(crate) const NO_DEVICE: Uuid = Uuid::nil();

/// Whether the identifier of `$account` has failures in a row, of passwords or of codes: a column of 1 or 0.
/// By `identifier_index_account_id_idx` and the leading columns of primary keys.
macro_rules! in_a_row_of {
    ($account:literal) => {
        concat!(
            "CAST(CASE WHEN EXISTS (SELECT 1 FROM identifier_index j \
             JOIN sign_in_failures r ON r.subject = j.digest AND r.in_a_row > 0 WHERE j.account_id = ",
            $account,
            ") OR EXISTS (SELECT 1 FROM identifier_index j \
             JOIN code_tries r ON r.subject = j.digest AND r.in_a_row > 0 WHERE j.account_id = ",
            $account,
            ") THEN 1 ELSE 0 END AS bigint) AS any_in_a_row"
        )
    };
}
pub(crate) use in_a_row_of;

/// Reads the column of [`in_a_row_of`].
pub(crate) fn any_in_a_row(row: &Row) -> Result<bool, StoreError> {
    let any: u32 = row.get("sign_in_failures", "any_in_a_row")?;
    Ok(any > 0)
}

/// Whether the failures so far still count: not after a lock, not outside the window, not from the future.
macro_rules! counts {
    () => {
        concat!(
            "f.locked_until IS NULL AND f.since > $3 - $5 AND f.since <= $3 + ",
            skew!()
        )
    };
}

/// `LockoutRules::after_failure` in SQL. `$1` subject, `$2` device, `$3` now, `$4` failures until a lock, `$5` window,
/// `$6` most in a row. Returns no row while the lock holds, which is never longer than the window, nor once the
/// failures in a row have reached `$6`.
const RECORD_FAILURE: &str = concat!(
    "INSERT INTO sign_in_failures AS f (subject, device_id, failures, since, locked_until, in_a_row) \
     VALUES ($1, $2, 1, $3, CASE WHEN $4 <= 1 THEN $3 + $5 END, 1) \
     ON CONFLICT (subject, device_id) DO UPDATE SET \
     failures = CASE WHEN ",
    counts!(),
    " THEN f.failures + 1 ELSE 1 END, since = CASE WHEN ",
    counts!(),
    " THEN f.since ELSE $3 END, locked_until = CASE WHEN (CASE WHEN ",
    counts!(),
    " THEN f.failures + 1 ELSE 1 END) >= $4 THEN $3 + $5 END, in_a_row = f.in_a_row + 1 \
     WHERE (f.locked_until IS NULL OR f.locked_until <= $3 OR f.locked_until > $3 + $5 + ",
    skew!(),
    ") AND f.in_a_row < $6 RETURNING failures, since, locked_until, in_a_row"
);

/// Whether the row is that of the scope itself and may be cleared.
macro_rules! clearable {
    () => {
        "device_id = $2 AND (locked_until IS NULL OR locked_until <= $3 OR locked_until > $6) \
         AND in_a_row < $4"
    };
}

/// Not a DELETE, which could not tell a locked row from a missing one. A cleared row gets the epoch as its start, so
/// that the next failure is a first one and the next purge removes the row. `$1` subject, `$2` device, `$3` now, `$4`
/// most in a row, `$5` 1 if failures in a row of the other scopes end too, `$6` the latest time until which a lock can
/// hold.
const CLEAR_FAILURES: &str = concat!(
    "UPDATE sign_in_failures SET failures = CASE WHEN ",
    clearable!(),
    " THEN 0 ELSE failures END, since = CASE WHEN ",
    clearable!(),
    " THEN 0 ELSE since END, locked_until = CASE WHEN ",
    clearable!(),
    " THEN NULL ELSE locked_until END, in_a_row = CASE WHEN device_id <> $2 OR (",
    clearable!(),
    ") THEN 0 ELSE in_a_row END \
     WHERE subject = $1 AND (device_id = $2 OR ($5 = 1 AND in_a_row > 0)) \
     RETURNING device_id, failures"
);

/// The tables that count failures in a row. Statements on them use the leading column of their primary keys.
const COUNTED_IN_A_ROW: [&str; 2] = ["sign_in_failures", "code_tries"];

const FORGET_SUBJECT: &str = "DELETE FROM sign_in_failures WHERE subject = $1";

const END_ROWS_OF_CODES: &str =
    "UPDATE code_tries SET in_a_row = 0 WHERE subject = $1 AND in_a_row > 0";

/// By `identifier_index_account_id_idx`.
const SUBJECTS_OF: &str = "(SELECT i.digest FROM identifier_index i \
     WHERE i.account_id = $1 AND i.reserved_until IS NULL)";

macro_rules! in_window {
    () => {
        concat!("(t.since > $4 - $6 AND t.since <= $4 + ", skew!(), ")")
    };
}

/// `$1` subject, `$2` purpose, `$3` device, `$4` now, `$5` most tries in the window, `$6` window, `$7` most in a row,
/// `$8` 1 to keep the count in a row (0 resets it), `$9` 1 to add this guess to it.
const COUNT_GUESS: &str = concat!(
    "INSERT INTO code_tries AS t (subject, purpose, device_id, tries, since, in_a_row) \
     SELECT $1, $2, $3, 1, $4, $9 WHERE $5 > 0 AND $7 > 0 \
     ON CONFLICT (subject, purpose, device_id) DO UPDATE SET tries = CASE WHEN ",
    in_window!(),
    " THEN t.tries + 1 ELSE 1 END, since = CASE WHEN ",
    in_window!(),
    " THEN t.since ELSE $4 END, in_a_row = t.in_a_row * $8 + $9 WHERE (t.tries < $5 OR NOT ",
    in_window!(),
    ") AND t.in_a_row < $7 RETURNING tries, in_a_row"
);

/// `$1` subject, `$2` purpose, `$3` device, `$4` now, `$5` most tries in the window, `$6` window.
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
            .bind(&rules.most_in_a_row)
            .row(self)
            .await?;
        row.map(|row| {
            Ok(AttemptCounter {
                failures: row.get(TABLE, "failures")?,
                since: row.get(TABLE, "since")?,
                locked_until: row.find(TABLE, "locked_until")?,
                in_a_row: row.get(TABLE, "in_a_row")?,
            })
        })
        .transpose()
    }

    #[tracing::instrument(name = "attempts.clear_failures", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn clear_failures(
        &mut self,
        scope: FailureScope,
        cleared: Cleared,
        rules: LockoutRules,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        const TABLE: &str = "sign_in_failures";
        let device = key_of(scope.device);
        let rows = Sql::new(CLEAR_FAILURES)
            .bind(&scope.subject)
            .bind(&device)
            .bind(&now)
            .bind(&rules.most_in_a_row)
            .bind(&u32::from(cleared == Cleared::InARowOfAll))
            .bind(&(now + LockoutRules::WINDOW + SKEW))
            .rows(self)
            .await?;
        for row in rows {
            let (of, failures): (Uuid, u32) =
                (row.get(TABLE, "device_id")?, row.get(TABLE, "failures")?);
            if of == device {
                return Ok(failures == 0);
            }
        }
        Ok(true)
    }

    #[tracing::instrument(name = "attempts.forget_in_a_row", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn forget_in_a_row(&mut self, subjects: &[Subject]) -> Result<(), StoreError> {
        if subjects.is_empty() {
            return Ok(());
        }
        let among = tuples(1, 1, subjects.len());
        for table in COUNTED_IN_A_ROW {
            let text = format!(
                "UPDATE {table} SET in_a_row = 0 WHERE subject IN {among} AND in_a_row > 0"
            );
            let update = subjects.iter().fold(Sql::over_rows(text), Sql::bind);
            update.execute(&*self).await?;
        }
        Ok(())
    }

    #[tracing::instrument(name = "attempts.forget_subject", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn forget_subject(&mut self, subject: Subject) -> Result<(), StoreError> {
        for text in [FORGET_SUBJECT, END_ROWS_OF_CODES] {
            Sql::new(text).bind(&subject).execute(&*self).await?;
        }
        Ok(())
    }

    #[tracing::instrument(name = "attempts.forget_account", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn forget_account(&mut self, account: AccountId) -> Result<(), StoreError> {
        for table in COUNTED_IN_A_ROW {
            let text = format!("DELETE FROM {table} WHERE subject IN {SUBJECTS_OF}");
            Sql::new(text).bind(&account).execute(&*self).await?;
        }
        Ok(())
    }

    #[tracing::instrument(name = "attempts.count_guess", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn count_guess(
        &mut self,
        scope: TriesScope,
        guess: Guess,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<Option<CountedGuess>, StoreError> {
        const TABLE: &str = "code_tries";
        let (most, most_in_a_row) = match guess.of {
            CodeFormat::Digits => (rules.tries_per_window, rules.most_failures_in_a_row),
            CodeFormat::Long => (u32::MAX, u32::MAX),
        };
        let grows = !guess.right && guess.of == CodeFormat::Digits;
        let row = Sql::new(COUNT_GUESS)
            .bind(&scope.subject)
            .bind(&scope.purpose)
            .bind(&key_of(scope.device))
            .bind(&now)
            .bind(&most)
            .bind(&ChallengeRules::TRIES_WINDOW)
            .bind(&most_in_a_row)
            .bind(&u32::from(!guess.right))
            .bind(&u32::from(grows))
            .row(self)
            .await?;
        row.map(|row| {
            Ok(CountedGuess {
                in_window: row.get(TABLE, "tries")?,
                in_a_row: row.get(TABLE, "in_a_row")?,
            })
        })
        .transpose()
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
