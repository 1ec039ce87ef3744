//! Resets of second factors, which remove all factors of an account after a waiting time.

use async_trait::async_trait;
use authentication_app::ports::{
    FactorReset, FactorResetQueries, FactorResetRepository, StoreError,
};
use authentication_domain::accounts::AccountId;
use time::OffsetDateTime;

use crate::{
    accounts::next_version,
    sql::{Row, Sql},
    store::Store,
    unit_of_work::SqlUnitOfWork,
};

const RESETS: &str = "factor_resets";

/// By primary keys. `$1` account, `$2` reason, `$3` now. An account that its owner closed gets no reset.
const ASK: &str = "INSERT INTO factor_resets (account_id, reason, requested_at) \
     SELECT a.id, $2, $3 FROM accounts a WHERE a.id = $1 AND a.status <> 'deleted' \
     ON CONFLICT (account_id) DO NOTHING";

const FIND: &str = "SELECT account_id, reason, announced_at, notice_left_at, due_at, called_off_at \
     FROM factor_resets WHERE account_id = $1";

const WITHDRAW: &str = "UPDATE factor_resets SET called_off_at = $2 \
     WHERE account_id = $1 AND called_off_at IS NULL";

/// By the three indexes of the table in addition to its key. UNION returns a reset that is in two of them once.
/// `$1` now, `$2` most rows, `$3` the epoch.
const TO_DO: &str = "SELECT account_id, reason, announced_at, notice_left_at, due_at, called_off_at \
     FROM factor_resets WHERE announced_at IS NULL AND requested_at >= $3 \
     UNION SELECT account_id, reason, announced_at, notice_left_at, due_at, called_off_at \
     FROM factor_resets WHERE due_at <= $1 AND notice_left_at IS NOT NULL \
     UNION SELECT account_id, reason, announced_at, notice_left_at, due_at, called_off_at \
     FROM factor_resets WHERE called_off_at >= $3 LIMIT $2";

const ANNOUNCE: &str = "UPDATE factor_resets SET announced_at = $2, due_at = $3 \
     WHERE account_id = $1 AND announced_at IS NULL AND called_off_at IS NULL";

/// By `factor_resets_due_at_idx` and `outbox_messages_factor_reset_idx`. The notice of an earlier reset, which was
/// called off, is ignored. `$1` now, `$2` the end of the waiting time.
const BEGIN_WAITS: &str = "UPDATE factor_resets SET notice_left_at = $1, due_at = $2 \
     WHERE due_at <= $2 AND notice_left_at IS NULL AND called_off_at IS NULL \
     AND NOT EXISTS (SELECT 1 FROM outbox_messages m \
     WHERE m.recipient_account = factor_resets.account_id AND m.kind = 'factor_reset_announced' \
     AND m.created_at >= factor_resets.announced_at)";

const CLAIM: &str = "DELETE FROM factor_resets WHERE account_id = $1 AND due_at <= $2 \
     AND notice_left_at IS NOT NULL AND called_off_at IS NULL";

const DROP_CALLED_OFF: &str = "DELETE FROM factor_resets WHERE account_id = $1 \
     AND (called_off_at IS NOT NULL OR EXISTS (SELECT 1 FROM accounts a \
     WHERE a.id = $1 AND a.status = 'deleted'))";

const CALL_OFF: &str = "DELETE FROM factor_resets WHERE account_id = $1";

/// All second factors of an account. By keys and indexes that begin with the account.
const FACTORS: [&str; 3] = [
    "DELETE FROM passkeys WHERE account_id = $1",
    "DELETE FROM totp_factors WHERE account_id = $1",
    "DELETE FROM recovery_codes WHERE account_id = $1",
];

#[async_trait]
impl FactorResetQueries for Store {
    #[tracing::instrument(name = "factor_resets.ask_for_factor_reset", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn ask_for_factor_reset(
        &self,
        account: AccountId,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let asked = Sql::new(ASK)
            .bind(&account)
            .bind(reason)
            .bind(&now)
            .execute(&self.writer)
            .await?;
        Ok(asked == 1)
    }

    #[tracing::instrument(name = "factor_resets.find_factor_reset", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_factor_reset(
        &self,
        account: AccountId,
    ) -> Result<Option<FactorReset>, StoreError> {
        let row = Sql::new(FIND).bind(&account).row(&self.readers).await?;
        row.as_ref().map(reset_of).transpose()
    }

    #[tracing::instrument(name = "factor_resets.withdraw_factor_reset", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn withdraw_factor_reset(
        &self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let withdraw = Sql::new(WITHDRAW).bind(&account).bind(&now);
        Ok(withdraw.execute(&self.writer).await? == 1)
    }

    #[tracing::instrument(name = "factor_resets.begin_waits_of_resets", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn begin_waits_of_resets(
        &self,
        now: OffsetDateTime,
        due_at: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let begin = Sql::new(BEGIN_WAITS).bind(&now).bind(&due_at);
        begin.execute(&self.writer).await
    }

    #[tracing::instrument(name = "factor_resets.list_factor_resets_to_do", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn list_factor_resets_to_do(
        &self,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Vec<FactorReset>, StoreError> {
        let rows = Sql::new(TO_DO)
            .bind(&now)
            .bind(&most)
            .bind(&OffsetDateTime::UNIX_EPOCH)
            .rows(&self.readers)
            .await?;
        rows.iter().map(reset_of).collect()
    }
}

#[async_trait]
impl FactorResetRepository for SqlUnitOfWork {
    #[tracing::instrument(name = "factor_resets.announce", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn announce(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
        due_at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let announced = Sql::new(ANNOUNCE)
            .bind(&account)
            .bind(&now)
            .bind(&due_at)
            .execute(self)
            .await?;
        Ok(announced == 1)
    }

    #[tracing::instrument(name = "factor_resets.claim_due", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn claim_due(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let claimed = Sql::new(CLAIM).bind(&account).bind(&now).execute(self);
        Ok(claimed.await? == 1)
    }

    #[tracing::instrument(name = "factor_resets.call_off", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn call_off(&mut self, account: AccountId) -> Result<bool, StoreError> {
        let called_off = Sql::new(CALL_OFF).bind(&account).execute(self);
        Ok(called_off.await? == 1)
    }

    #[tracing::instrument(name = "factor_resets.drop_called_off", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn drop_called_off(&mut self, account: AccountId) -> Result<bool, StoreError> {
        let dropped = Sql::new(DROP_CALLED_OFF).bind(&account).execute(self);
        Ok(dropped.await? == 1)
    }

    /// Two statements if the version differs, otherwise six.
    #[tracing::instrument(name = "factor_resets.remove_factors", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn remove_factors(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        if !next_version(self, account, read_version, now).await? {
            return Ok(false);
        }
        for delete in FACTORS {
            Sql::new(delete).bind(&account).execute(self).await?;
        }
        Ok(true)
    }
}

fn reset_of(row: &Row) -> Result<FactorReset, StoreError> {
    let time = |column| row.find::<OffsetDateTime>(RESETS, column);
    let due_at = match time("notice_left_at")? {
        Some(_) => time("due_at")?,
        None => None,
    };
    Ok(FactorReset {
        account: row.get(RESETS, "account_id")?,
        reason: row.get(RESETS, "reason")?,
        announced: time("announced_at")?.is_some(),
        due_at,
        called_off: time("called_off_at")?.is_some(),
    })
}
