//! Second factors and pending sign-ins. Single-use values are used up in one statement each.

use async_trait::async_trait;
use authentication_app::ports::{NewPendingSignIn, Sealed, SecondFactorRepository, StoreError};
use authentication_domain::{
    accounts::AccountId,
    mfa::{RecoveryCodeDigest, TotpStep},
    opaque_token::TokenDigest,
};
use time::OffsetDateTime;

use crate::{
    accounts::{moves_now, next_version},
    challenges::is_live,
    dialect::Dialect,
    error::Fault,
    sql::{Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

pub(crate) const TOTP: &str = "totp_factors";
pub(crate) const PENDING: &str = "pending_sign_ins";

const KEEP_PENDING: &str = "INSERT INTO pending_sign_ins (digest, account_id, account_version, subject, \
     method, came_over, device_id, created_at, expires_at, tries) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0)";

/// `$1` digest, `$2` now, `$3` most tries.
const COUNT_PENDING_TRY: &str = concat!(
    "UPDATE pending_sign_ins SET tries = tries + 1 WHERE digest = $1 AND ",
    is_live!(),
    " AND tries < $3 RETURNING tries"
);

/// `$1` digest, `$2` now, `$3` most tries.
const COMPLETE_PENDING: &str = concat!(
    "UPDATE pending_sign_ins SET consumed_at = $2 WHERE digest = $1 AND ",
    is_live!(),
    " AND tries < $3"
);

/// By `pending_sign_ins_account_id_idx`.
const END_PENDING: &str = "DELETE FROM pending_sign_ins WHERE account_id = $1";

const BEGIN_TOTP: &str = concat!(
    "INSERT INTO totp_factors (account_id, failures, pending_secret, pending_at, moves_seen) \
     VALUES ($1, 0, $2, $3, ",
    moves_now!("$1"),
    ") ON CONFLICT (account_id) DO UPDATE SET pending_secret = excluded.pending_secret, \
     pending_at = excluded.pending_at, moves_seen = excluded.moves_seen"
);

/// `$1` account, `$2` the pending secret as it was read, `$3` step, `$4` now. When another app replaces the current
/// one, `confirmed_at` stays.
const CONFIRM_TOTP: &str = "UPDATE totp_factors SET secret = pending_secret, \
     confirmed_at = CASE WHEN secret IS NULL THEN $4 ELSE confirmed_at END, \
     last_step = $3, failures = 0, pending_secret = NULL, pending_at = NULL \
     WHERE account_id = $1 AND pending_secret = $2";

/// `$1` account, `$2` step, `$3` most failures.
const USE_TOTP_STEP: &str = "UPDATE totp_factors SET last_step = $2, failures = 0 \
     WHERE account_id = $1 AND secret IS NOT NULL AND failures < $3 \
     AND (last_step IS NULL OR last_step < $2)";

const COUNT_TOTP_FAILURE: &str = "UPDATE totp_factors SET failures = failures + 1 \
     WHERE account_id = $1 AND secret IS NOT NULL RETURNING failures";

const REMOVE_TOTP: &str = "DELETE FROM totp_factors WHERE account_id = $1 RETURNING confirmed_at";

/// Concurrent uses of codes of one account wait for each other, so that each returns the correct number of codes left.
macro_rules! use_recovery_code {
    ($lock:literal) => {
        concat!(
            "UPDATE recovery_codes SET used_at = $3 WHERE digest = $2 AND used_at IS NULL \
             AND account_id = (SELECT a.id FROM accounts a WHERE a.id = $1",
            $lock,
            ")"
        )
    };
}

const RECOVERY_CODES_LEFT: &str = "SELECT COUNT(*) AS codes_left FROM recovery_codes \
     WHERE account_id = $1 AND used_at IS NULL";

const REMEMBER_NO_DEVICE: &str = "UPDATE devices SET remembered_until = NULL \
     WHERE account_id = $1 AND remembered_until IS NOT NULL";

#[async_trait]
impl SecondFactorRepository for SqlUnitOfWork {
    #[tracing::instrument(name = "second_factors.keep_pending", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn keep_pending(&mut self, sign_in: &NewPendingSignIn) -> Result<(), StoreError> {
        Sql::new(KEEP_PENDING)
            .bind(&sign_in.digest)
            .bind(&sign_in.account)
            .bind(&sign_in.account_version)
            .bind(&sign_in.subject)
            .bind(&sign_in.first)
            .bind(&sign_in.came_over)
            .bind(&sign_in.device)
            .bind(&sign_in.created_at)
            .bind(&sign_in.expires_at)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "second_factors.count_pending_try", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn count_pending_try(
        &mut self,
        digest: TokenDigest,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError> {
        let row = Sql::new(COUNT_PENDING_TRY)
            .bind(&digest)
            .bind(&now)
            .bind(&most)
            .row(self)
            .await?;
        row.map(|row| row.get(PENDING, "tries")).transpose()
    }

    #[tracing::instrument(name = "second_factors.complete_pending", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn complete_pending(
        &mut self,
        digest: TokenDigest,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let completed = Sql::new(COMPLETE_PENDING)
            .bind(&digest)
            .bind(&now)
            .bind(&most)
            .execute(self)
            .await?;
        Ok(completed == 1)
    }

    #[tracing::instrument(name = "second_factors.end_pending", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn end_pending(&mut self, account: AccountId) -> Result<(), StoreError> {
        Sql::new(END_PENDING).bind(&account).execute(self).await?;
        Ok(())
    }

    #[tracing::instrument(name = "second_factors.begin_totp", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn begin_totp(
        &mut self,
        account: AccountId,
        secret: &Sealed,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        Sql::new(BEGIN_TOTP)
            .bind(&account)
            .bind(secret)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "second_factors.confirm_totp", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn confirm_totp(
        &mut self,
        account: AccountId,
        read: &Sealed,
        step: TotpStep,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let confirmed = Sql::new(CONFIRM_TOTP)
            .bind(&account)
            .bind(read)
            .bind(&step)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(confirmed == 1)
    }

    #[tracing::instrument(name = "second_factors.use_totp_step", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn use_totp_step(
        &mut self,
        account: AccountId,
        step: TotpStep,
        most: u32,
    ) -> Result<bool, StoreError> {
        let used = Sql::new(USE_TOTP_STEP)
            .bind(&account)
            .bind(&step)
            .bind(&most)
            .execute(self)
            .await?;
        Ok(used == 1)
    }

    #[tracing::instrument(name = "second_factors.count_totp_failure", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn count_totp_failure(&mut self, account: AccountId) -> Result<Option<u32>, StoreError> {
        let row = Sql::new(COUNT_TOTP_FAILURE)
            .bind(&account)
            .row(self)
            .await?;
        row.map(|row| row.get(TOTP, "failures")).transpose()
    }

    #[tracing::instrument(name = "second_factors.remove_totp", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn remove_totp(&mut self, account: AccountId) -> Result<bool, StoreError> {
        let row = Sql::new(REMOVE_TOTP).bind(&account).row(self).await?;
        let Some(row) = row else { return Ok(false) };
        let confirmed_at: Option<OffsetDateTime> = row.find(TOTP, "confirmed_at")?;
        Ok(confirmed_at.is_some())
    }

    /// Two statements.
    #[tracing::instrument(name = "second_factors.replace_recovery_codes", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn replace_recovery_codes(
        &mut self,
        account: AccountId,
        codes: &[RecoveryCodeDigest],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        Sql::new("DELETE FROM recovery_codes WHERE account_id = $1")
            .bind(&account)
            .execute(&*self)
            .await?;
        if codes.is_empty() {
            return Ok(());
        }
        let insert = Sql::over_rows(format!(
            "INSERT INTO recovery_codes (account_id, digest, created_at) VALUES {}",
            tuples(1, codes.len(), 3)
        ));
        let insert = codes
            .iter()
            .fold(insert, |sql, code| sql.bind(&account).bind(code).bind(&now));
        insert.execute(&*self).await?;
        Ok(())
    }

    /// Two statements.
    #[tracing::instrument(name = "second_factors.use_recovery_code", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn use_recovery_code(
        &mut self,
        account: AccountId,
        code: RecoveryCodeDigest,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError> {
        let db = &*self;
        let use_up = Dialect::of(db).pick(
            use_recovery_code!(" FOR NO KEY UPDATE"),
            use_recovery_code!(""),
        );
        let used = Sql::new(use_up)
            .bind(&account)
            .bind(&code)
            .bind(&now)
            .execute(db)
            .await?;
        if used == 0 {
            return Ok(None);
        }
        let left = Sql::new(RECOVERY_CODES_LEFT).bind(&account).row(db).await?;
        let left = left.ok_or(Fault::MissingRow("a count"))?;
        left.get("recovery_codes", "codes_left").map(Some)
    }

    /// Four statements, two if the version differs.
    #[tracing::instrument(name = "second_factors.factors_changed", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn factors_changed(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        if !next_version(self, account, read_version, now).await? {
            return Ok(false);
        }
        Sql::new(REMEMBER_NO_DEVICE)
            .bind(&account)
            .execute(&*self)
            .await?;
        Ok(true)
    }
}
