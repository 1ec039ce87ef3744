//! The rows of new accounts: one statement per table, for any number of accounts.

use authentication_app::ports::{AccountRecord, IndexKeys, NewAccount, StoreError, UniqueRule};
use authentication_domain::accounts::AccountId;
use time::OffsetDateTime;

use crate::{
    sql::{Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

const ACCOUNTS: &str = "INSERT INTO accounts (id, sign_up_method, identifier, status, status_since, roles, \
     version, created_at, updated_at) VALUES ";
const KEYS: &str = "INSERT INTO account_keys (account_id, master_key_id, wrapped_key) VALUES ";
const PROFILES: &str = "INSERT INTO profiles (account_id, document, version, updated_at) VALUES ";
const WALLETS: &str = "INSERT INTO wallets (account_id, balance_minor, currency) VALUES ";
const PASSWORDS: &str =
    "INSERT INTO password_credentials (account_id, password_hash, updated_at) VALUES ";
const INDEX: &str = "INSERT INTO identifier_index (key_id, digest, account_id) VALUES ";

/// Inserts all rows of these accounts except their identifiers.
pub(crate) async fn insert(
    unit: &SqlUnitOfWork,
    accounts: &[&NewAccount],
) -> Result<(), StoreError> {
    let records: Vec<&AccountRecord> = accounts.iter().map(|new| &new.record).collect();
    insert_accounts(unit, &records).await?;
    insert_keys(unit, &records).await?;
    insert_profiles(unit, &records).await?;
    insert_wallets(unit, &records).await?;
    insert_passwords(unit, accounts).await
}

/// An existing row is taken over only if it is reserved: by its own account at any time, by another account once
/// the reservation has ended. A taken-over row is counted as written, a refused one is not.
const UNLESS_TAKEN: &str = " ON CONFLICT (digest, key_id) DO UPDATE \
     SET account_id = excluded.account_id, reserved_until = NULL \
     WHERE identifier_index.reserved_until IS NOT NULL \
     AND (identifier_index.account_id = excluded.account_id OR identifier_index.reserved_until <= ";

/// Claims an identifier for an account, under every index key. Waits for a concurrent claim that is not yet
/// committed.
pub(crate) async fn claim_identifier(
    unit: &SqlUnitOfWork,
    index: &IndexKeys,
    account: AccountId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let entries = &index.entries;
    // Concurrent claims of the same identifier take the rows in the same order, so that they wait and never deadlock.
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.digest);
    let rows = tuples(1, sorted.len(), 3);
    let last = sorted.len() * 3 + 1;
    let claim = Sql::over_rows(format!("{INDEX}{rows}{UNLESS_TAKEN}${last})"));
    let claim = sorted.iter().fold(claim, |sql, entry| {
        sql.bind(&entry.key_id).bind(&entry.digest).bind(&account)
    });
    let claimed = claim.bind(&now).execute(unit).await?;
    if claimed == entries.len() as u64 {
        return Ok(());
    }
    // Some of the rows may have been claimed.
    unit.give_up();
    Err(StoreError::Conflict(UniqueRule::Identifier))
}

/// The statement that claims the identifiers of these accounts; `then` is its conflict clause, for identifiers that
/// are taken.
pub(crate) fn claim_identifiers<'a>(
    accounts: impl IntoIterator<Item = &'a NewAccount>,
    then: &str,
) -> Sql {
    let mut entries: Vec<_> = accounts
        .into_iter()
        .flat_map(|new| {
            let account: AccountId = new.record.account.id;
            new.index.entries.iter().map(move |entry| (entry, account))
        })
        .collect();
    // All claims take rows in the same order, so that concurrent ones wait and never deadlock. The sort is stable: of
    // equal entries the first stays first.
    entries.sort_by_key(|(entry, _)| entry.digest);
    let rows = tuples(1, entries.len(), 3);
    let claim = Sql::over_rows(format!("{INDEX}{rows}{then}"));
    entries.iter().fold(claim, |sql, (entry, account)| {
        sql.bind(&entry.key_id).bind(&entry.digest).bind(account)
    })
}

async fn insert_accounts(
    unit: &SqlUnitOfWork,
    records: &[&AccountRecord],
) -> Result<(), StoreError> {
    insert_rows(unit, ACCOUNTS, 9, records, |sql, record| {
        let account = &record.account;
        sql.bind(&account.id)
            .bind(&account.sign_up_method)
            .bind(&record.identifier)
            .bind(account.status.as_str())
            .bind(&account.status.since())
            .bind(&account.roles)
            .bind(&account.version)
            .bind(&account.timestamps.created_at)
            .bind(&account.timestamps.updated_at)
    })
    .await
}

async fn insert_keys(unit: &SqlUnitOfWork, records: &[&AccountRecord]) -> Result<(), StoreError> {
    insert_rows(unit, KEYS, 3, records, |sql, record| {
        sql.bind(&record.account.id)
            .bind(&record.wrapped_key.master_key_id)
            .bind(&record.wrapped_key.bytes)
    })
    .await
}

async fn insert_profiles(
    unit: &SqlUnitOfWork,
    records: &[&AccountRecord],
) -> Result<(), StoreError> {
    insert_rows(unit, PROFILES, 4, records, |sql, record| {
        sql.bind(&record.account.id)
            .bind(&record.profile)
            .bind(&record.profile_version)
            .bind(&record.account.timestamps.updated_at)
    })
    .await
}

async fn insert_wallets(
    unit: &SqlUnitOfWork,
    records: &[&AccountRecord],
) -> Result<(), StoreError> {
    insert_rows(unit, WALLETS, 3, records, |sql, record| {
        sql.bind(&record.account.id)
            .bind(&record.wallet.minor)
            .bind(&record.wallet.currency)
    })
    .await
}

async fn insert_passwords(
    unit: &SqlUnitOfWork,
    accounts: &[&NewAccount],
) -> Result<(), StoreError> {
    let passwords: Vec<_> = accounts
        .iter()
        .filter_map(|new| Some((&new.record.account, new.password.as_ref()?)))
        .collect();
    insert_rows(
        unit,
        PASSWORDS,
        3,
        &passwords,
        |sql, (account, password)| {
            sql.bind(&account.id)
                .bind(*password)
                .bind(&account.timestamps.updated_at)
        },
    )
    .await
}

async fn insert_rows<T>(
    unit: &SqlUnitOfWork,
    text: &str,
    columns: usize,
    rows: &[T],
    bind: impl Fn(Sql, &T) -> Sql,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let insert = Sql::over_rows(format!("{text}{}", tuples(1, rows.len(), columns)));
    rows.iter().fold(insert, bind).execute(unit).await?;
    Ok(())
}
