//! Accounts with their keys, identifiers, profiles, wallets and passwords.

use async_trait::async_trait;
use authentication_app::ports::{
    AccountRecord, AccountRepository, IndexEntry, NewAccount, Sealed, StoreError,
};
use authentication_domain::{accounts::AccountId, credentials::PasswordHash};
use time::OffsetDateTime;

use crate::{
    sql::{Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

const INSERT_ACCOUNT: &str = "INSERT INTO accounts (id, sign_up_method, identifier, status, status_since, roles, \
     version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const INSERT_KEY: &str =
    "INSERT INTO account_keys (account_id, master_key_id, wrapped_key) VALUES ($1, $2, $3)";
const INSERT_PROFILE: &str =
    "INSERT INTO profiles (account_id, document, version, updated_at) VALUES ($1, $2, $3, $4)";
const INSERT_WALLET: &str =
    "INSERT INTO wallets (account_id, balance_minor, currency) VALUES ($1, $2, $3)";

/// Made or replaced.
const PUT_PASSWORD: &str = "INSERT INTO password_credentials (account_id, password_hash, updated_at) \
     VALUES ($1, $2, $3) ON CONFLICT (account_id) DO UPDATE \
     SET password_hash = excluded.password_hash, updated_at = excluded.updated_at";

/// The compare-and-set of the account; a clock that lags moves nothing back.
const NEXT_VERSION: &str = "UPDATE accounts SET version = version + 1, \
     updated_at = CASE WHEN $3 > updated_at THEN $3 ELSE updated_at END \
     WHERE id = $1 AND version = $2";

const SAVE_PROFILE: &str = "UPDATE profiles SET document = $3, version = version + 1, \
     updated_at = CASE WHEN $4 > updated_at THEN $4 ELSE updated_at END \
     WHERE account_id = $1 AND version = $2";

const UPGRADE_PASSWORD_HASH: &str = "UPDATE password_credentials SET password_hash = $3 \
     WHERE account_id = $1 AND password_hash = $2";

#[async_trait]
impl AccountRepository for SqlUnitOfWork {
    /// Five statements, six with a password. The identifier comes first: rivals wait there for each other.
    #[tracing::instrument(name = "accounts.insert", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn insert(&mut self, new: &NewAccount) -> Result<(), StoreError> {
        let AccountRecord { account, .. } = &new.record;
        insert_index(self, account.id, &new.index.entries).await?;
        insert_account(self, &new.record).await?;
        insert_parts(self, &new.record).await?;
        if let Some(password) = &new.password {
            put_password(self, account.id, password, account.timestamps.updated_at).await?;
        }
        Ok(())
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

    /// One statement when the version is another one, two when it is not.
    #[tracing::instrument(name = "accounts.set_password", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn set_password(
        &mut self,
        account: AccountId,
        read_version: i64,
        password: &PasswordHash,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let next = Sql::new(NEXT_VERSION)
            .bind(&account)
            .bind(&read_version)
            .bind(&now)
            .execute(self)
            .await?;
        if next == 0 {
            return Ok(false);
        }
        put_password(self, account, password, now).await?;
        Ok(true)
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

async fn insert_index(
    unit: &SqlUnitOfWork,
    account: AccountId,
    entries: &[IndexEntry],
) -> Result<(), StoreError> {
    let rows = tuples(2, entries.len(), 2);
    let text = format!(
        "INSERT INTO identifier_index (key_id, digest, account_id) \
         SELECT entry.column1, entry.column2, $1 FROM (VALUES {rows}) AS entry"
    );
    let insert = entries
        .iter()
        .fold(Sql::new(text).bind(&account), |sql, entry| {
            sql.bind(&entry.key_id).bind(&entry.digest)
        });
    insert.execute(unit).await?;
    Ok(())
}

async fn insert_account(unit: &SqlUnitOfWork, record: &AccountRecord) -> Result<(), StoreError> {
    let account = &record.account;
    Sql::new(INSERT_ACCOUNT)
        .bind(&account.id)
        .bind(&account.sign_up_method)
        .bind(&record.identifier)
        .bind(account.status.as_str())
        .bind(&account.status.since())
        .bind(&account.roles)
        .bind(&account.version)
        .bind(&account.timestamps.created_at)
        .bind(&account.timestamps.updated_at)
        .execute(unit)
        .await?;
    Ok(())
}

/// Key, profile and wallet.
async fn insert_parts(unit: &SqlUnitOfWork, record: &AccountRecord) -> Result<(), StoreError> {
    let account = &record.account;
    Sql::new(INSERT_KEY)
        .bind(&account.id)
        .bind(&record.wrapped_key.master_key_id)
        .bind(&record.wrapped_key.bytes)
        .execute(unit)
        .await?;
    Sql::new(INSERT_PROFILE)
        .bind(&account.id)
        .bind(&record.profile)
        .bind(&record.profile_version)
        .bind(&account.timestamps.updated_at)
        .execute(unit)
        .await?;
    Sql::new(INSERT_WALLET)
        .bind(&account.id)
        .bind(&record.wallet.minor)
        .bind(&record.wallet.currency)
        .execute(unit)
        .await?;
    Ok(())
}

async fn put_password(
    unit: &SqlUnitOfWork,
    account: AccountId,
    password: &PasswordHash,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    Sql::new(PUT_PASSWORD)
        .bind(&account)
        .bind(password)
        .bind(&now)
        .execute(unit)
        .await?;
    Ok(())
}
