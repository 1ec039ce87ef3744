//! Accounts with their keys, identifiers, profiles, wallets and passwords.

use async_trait::async_trait;
use authentication_app::ports::{
    AccountRepository, IdentifierSwap, MovesSeen, NewAccount, Sealed, StoreError,
};
use authentication_domain::{
    accounts::{AccountId, SignUpMethod},
    credentials::PasswordHash,
};
use time::OffsetDateTime;

use crate::{
    account_rows,
    dialect::Dialect,
    sql::{Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

/// Upsert.
const PUT_PASSWORD: &str = "INSERT INTO password_credentials (account_id, password_hash, updated_at, \
     reset_over) VALUES ($1, $2, $3, $4) ON CONFLICT (account_id) DO UPDATE \
     SET password_hash = excluded.password_hash, updated_at = excluded.updated_at, \
     reset_over = excluded.reset_over, locked_until_reset_at = NULL";

const LOCK_PASSWORD: &str = "UPDATE password_credentials SET locked_until_reset_at = $2 \
     WHERE account_id = $1";

/// The compare-and-set of the account with its new identifier. `$1` account, `$2` version, `$3` now,
/// `$4` text, `$5` method.
const PUT_IDENTIFIER: &str = "UPDATE accounts SET version = version + 1, identifier = $4, \
     sign_up_method = $5, identifier_proven_at = $3, \
     updated_at = CASE WHEN $3 > updated_at THEN $3 ELSE updated_at END \
     WHERE id = $1 AND version = $2";

/// By `identifier_index_account_id_idx`. `$1` account, `$2` until when.
const RESERVE: &str = "UPDATE identifier_index SET reserved_until = $2 \
     WHERE account_id = $1 AND reserved_until IS NULL";

/// By the same index.
const SET_FREE: &str =
    "DELETE FROM identifier_index WHERE account_id = $1 AND reserved_until IS NULL";

const NOTE_PROVEN: &str = "UPDATE accounts SET identifier_proven_at = $2 WHERE id = $1";

/// Condition: the account still has the version that was read. `$1` account, `$2` version.
macro_rules! if_as_read {
    () => {
        " AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = $1 AND a.version = $2)"
    };
}

/// Deletes everything that was sent to the account and not used: it is no longer valid, and its cool-down no longer
/// delays the next request. Runs before the account's row is locked, because using up a code locks that row last.
/// By `identifier_index_account_id_idx` and the leading column of the primary key.
const VOID_SENT: &str = concat!(
    "DELETE FROM code_dispatches WHERE subject IN \
     (SELECT i.digest FROM identifier_index i WHERE i.account_id = $1)",
    if_as_read!()
);

/// The same for an identifier that the account is about to get; its digests begin at `$3`.
fn void_sent_to(digests: usize) -> String {
    let digests = tuples(3, 1, digests);
    format!(
        concat!(
            "DELETE FROM code_dispatches WHERE subject IN {digests}",
            if_as_read!()
        ),
        digests = digests
    )
}

/// `$1` account, `$2` now.
const NOTE_MOVE: &str = "INSERT INTO security_moves (account_id, moved_at) VALUES ($1, $2)";

/// By `security_moves_account_id_idx`. `$1` account, `$2` the last move seen.
const MOVED_SINCE: &str =
    "SELECT 1 AS moved FROM security_moves WHERE account_id = $1 AND position > $2 LIMIT 1";

/// The compare-and-set of the account. A node whose clock lags never moves `updated_at` back.
const NEXT_VERSION: &str = "UPDATE accounts SET version = version + 1, \
     updated_at = CASE WHEN $3 > updated_at THEN $3 ELSE updated_at END \
     WHERE id = $1 AND version = $2";

/// PostgreSQL only: on SQLite there is one writer at a time. `$1` account.
const HOLD: &str = "SELECT 1 AS held FROM accounts WHERE id = $1 FOR NO KEY UPDATE";

const SAVE_PROFILE: &str = "UPDATE profiles SET document = $3, version = version + 1, \
     updated_at = CASE WHEN $4 > updated_at THEN $4 ELSE updated_at END \
     WHERE account_id = $1 AND version = $2";

const UPGRADE_PASSWORD_HASH: &str = "UPDATE password_credentials SET password_hash = $3 \
     WHERE account_id = $1 AND password_hash = $2";

#[async_trait]
impl AccountRepository for SqlUnitOfWork {
    /// Five statements, six with a password. The identifier comes first: concurrent inserts wait for each other there.
    #[tracing::instrument(name = "accounts.insert", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn insert(&mut self, new: &NewAccount) -> Result<(), StoreError> {
        let account = &new.record.account;
        let now = account.timestamps.created_at;
        account_rows::claim_identifier(self, &new.index, account.id, now).await?;
        account_rows::insert(self, &[new]).await
    }

    #[tracing::instrument(name = "accounts.save_profile", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn save_profile(
        &mut self,
        account: AccountId,
        read_version: i64,
        profile: &Sealed,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let saved = Sql::new(SAVE_PROFILE)
            .bind(&account)
            .bind(&read_version)
            .bind(profile)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(saved == 1)
    }

    /// Three statements if the version differs, otherwise six. The account row is locked before the index rows, because
    /// re-indexing locks them in that order.
    #[tracing::instrument(name = "accounts.change_identifier", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn change_identifier(&mut self, swap: IdentifierSwap<'_>) -> Result<bool, StoreError> {
        let db = &*self;
        void_sent(db, swap.account, swap.read_version).await?;
        let entries = &swap.index.entries;
        let void = Sql::new(void_sent_to(entries.len()))
            .bind(&swap.account)
            .bind(&swap.read_version);
        let void = entries
            .iter()
            .fold(void, |sql, entry| sql.bind(&entry.digest));
        void.execute(db).await?;
        let put = Sql::new(PUT_IDENTIFIER)
            .bind(&swap.account)
            .bind(&swap.read_version)
            .bind(&swap.now)
            .bind(swap.identifier)
            .bind(&swap.method)
            .execute(db)
            .await?;
        if put == 0 {
            return Ok(false);
        }
        let leave = match &swap.reserve_until {
            Some(until) => Sql::new(RESERVE).bind(&swap.account).bind(until),
            None => Sql::new(SET_FREE).bind(&swap.account),
        };
        leave.execute(db).await?;
        account_rows::claim_identifier(db, swap.index, swap.account, swap.now).await?;
        note_move(db, swap.account, swap.now).await?;
        Ok(true)
    }

    #[tracing::instrument(name = "accounts.note_identifier_proven", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn note_identifier_proven(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        Sql::new(NOTE_PROVEN)
            .bind(&account)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(())
    }

    /// One statement on PostgreSQL, none on SQLite.
    #[tracing::instrument(name = "accounts.hold", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn hold(&mut self, account: AccountId) -> Result<(), StoreError> {
        if Dialect::of(self) == Dialect::Postgres {
            Sql::new(HOLD).bind(&account).rows(self).await?;
        }
        Ok(())
    }

    /// Two statements if the version differs, otherwise four.
    #[tracing::instrument(name = "accounts.lock_password", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn lock_password(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        if !next_version(self, account, read_version, now).await? {
            return Ok(false);
        }
        Sql::new(LOCK_PASSWORD)
            .bind(&account)
            .bind(&now)
            .execute(self)
            .await?;
        Ok(true)
    }

    /// Two statements if the version differs, otherwise four.
    #[tracing::instrument(name = "accounts.set_password", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn set_password(
        &mut self,
        account: AccountId,
        read_version: i64,
        password: &PasswordHash,
        reset_over: Option<SignUpMethod>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        if !next_version(self, account, read_version, now).await? {
            return Ok(false);
        }
        Sql::new(PUT_PASSWORD)
            .bind(&account)
            .bind(password)
            .bind(&now)
            .bind(&reset_over)
            .execute(self)
            .await?;
        Ok(true)
    }

    #[tracing::instrument(name = "accounts.advance", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn advance(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        next_version(self, account, read_version, now).await
    }

    #[tracing::instrument(name = "accounts.moved_since", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn moved_since(
        &mut self,
        account: AccountId,
        seen: MovesSeen,
    ) -> Result<bool, StoreError> {
        let moved = Sql::new(MOVED_SINCE).bind(&account).bind(&seen.0);
        Ok(moved.row(self).await?.is_some())
    }

    #[tracing::instrument(name = "accounts.upgrade_password_hash", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn upgrade_password_hash(
        &mut self,
        account: AccountId,
        read: &PasswordHash,
        next: &PasswordHash,
    ) -> Result<(), StoreError> {
        Sql::new(UPGRADE_PASSWORD_HASH)
            .bind(&account)
            .bind(read)
            .bind(next)
            .execute(self)
            .await?;
        Ok(())
    }
}

/// Advances an account to its next version, unless the version differs from the one that was read. Everything that
/// was issued under the previous version is void. Three statements, two if the version differs.
pub(crate) async fn next_version(
    unit: &SqlUnitOfWork,
    account: AccountId,
    read_version: i64,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    void_sent(unit, account, read_version).await?;
    let next = Sql::new(NEXT_VERSION)
        .bind(&account)
        .bind(&read_version)
        .bind(&now)
        .execute(unit)
        .await?;
    if next == 0 {
        return Ok(false);
    }
    note_move(unit, account, now).await?;
    Ok(true)
}

async fn void_sent(
    unit: &SqlUnitOfWork,
    account: AccountId,
    read_version: i64,
) -> Result<(), StoreError> {
    Sql::new(VOID_SENT)
        .bind(&account)
        .bind(&read_version)
        .execute(unit)
        .await?;
    Ok(())
}

async fn note_move(
    unit: &SqlUnitOfWork,
    account: AccountId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    Sql::new(NOTE_MOVE)
        .bind(&account)
        .bind(&now)
        .execute(unit)
        .await?;
    Ok(())
}

/// The position of the latest move, for a flow that begins now: of `$account`, or of all accounts if none is given
/// or it is NULL.
///
/// The positions of one account are drawn and committed in the same order, since a unit holds the account while it
/// draws one. Those of all accounts are not: a lower position may be committed later. So only flows that do not yet
/// belong to an account use the latter.
macro_rules! moves_now {
    () => {
        "(SELECT COALESCE(MAX(position), 0) FROM security_moves)"
    };
    ($account:literal) => {
        concat!(
            "CASE WHEN ",
            $account,
            " IS NULL THEN ",
            moves_now!(),
            " ELSE (SELECT COALESCE(MAX(position), 0) FROM security_moves WHERE account_id = ",
            $account,
            ") END"
        )
    };
}

/// Whether the account became another version after `$seen` was recorded. By
/// `security_moves_account_id_idx`.
macro_rules! moved_since {
    ($account:literal, $seen:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM security_moves m WHERE m.account_id = ",
            $account,
            " AND m.position > ",
            $seen,
            ")"
        )
    };
}

pub(crate) use {moved_since, moves_now};
