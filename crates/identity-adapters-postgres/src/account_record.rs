//! The account as several queries read it: one column list and one reader for it.

use authentication_app::ports::{AccountRecord, StoreError, WrappedKey};
use authentication_domain::{
    accounts::{Account, AccountStatus},
    mfa::SecondFactors,
};
use common::{money::Money, timestamps::Timestamps};

use crate::sql::Row;

/// Columns of `accounts a`, `account_keys k`, `profiles p` and `wallets w`, and flags for the existing second factors.
/// The update time shown to the owner is that of the account or of the profile, whichever is later.
macro_rules! account_columns {
    () => {
        "a.id AS owner_id, a.sign_up_method, a.identifier, a.status, a.status_since, a.roles, \
         a.version AS owner_version, a.created_at AS owner_created_at, \
         CASE WHEN p.updated_at > a.updated_at THEN p.updated_at ELSE a.updated_at END AS owner_updated_at, \
         k.master_key_id, k.wrapped_key, p.document, p.version AS profile_version, \
         w.balance_minor, w.currency, \
         CAST(CASE WHEN EXISTS (SELECT 1 FROM totp_factors tf \
         WHERE tf.account_id = a.id AND tf.secret IS NOT NULL) THEN 1 ELSE 0 END AS bigint) AS has_totp, \
         CAST(CASE WHEN EXISTS (SELECT 1 FROM recovery_codes rc \
         WHERE rc.account_id = a.id AND rc.used_at IS NULL) THEN 1 ELSE 0 END AS bigint) \
         AS has_recovery_codes, \
         CAST(CASE WHEN EXISTS (SELECT 1 FROM passkeys pk \
         WHERE pk.account_id = a.id) THEN 1 ELSE 0 END AS bigint) AS has_passkeys"
    };
}

/// The rows that belong to `accounts a`, by primary keys. LEFT, so that the row is also returned without an account.
macro_rules! account_parts {
    () => {
        " LEFT JOIN account_keys k ON k.account_id = a.id \
          LEFT JOIN profiles p ON p.account_id = a.id \
          LEFT JOIN wallets w ON w.account_id = a.id "
    };
}

pub(crate) use {account_columns, account_parts};

const ACCOUNTS: &str = "accounts";

/// Reads the account from a row with [`account_columns`].
pub(crate) fn account_of(row: &Row) -> Result<AccountRecord, StoreError> {
    let account = Account {
        id: row.get(ACCOUNTS, "owner_id")?,
        sign_up_method: row.get(ACCOUNTS, "sign_up_method")?,
        status: status_of(row)?,
        roles: row.get(ACCOUNTS, "roles")?,
        version: row.get(ACCOUNTS, "owner_version")?,
        timestamps: Timestamps {
            created_at: row.get(ACCOUNTS, "owner_created_at")?,
            updated_at: row.get(ACCOUNTS, "owner_updated_at")?,
        },
    };
    Ok(AccountRecord {
        account,
        wrapped_key: wrapped_key_of(row)?,
        identifier: row.get(ACCOUNTS, "identifier")?,
        profile: row.get("profiles", "document")?,
        profile_version: row.get("profiles", "profile_version")?,
        wallet: Money {
            minor: row.get("wallets", "balance_minor")?,
            currency: row.get("wallets", "currency")?,
        },
        second_factors: SecondFactors {
            totp: has(row, "has_totp")?,
            passkeys: has(row, "has_passkeys")?,
            recovery_codes: has(row, "has_recovery_codes")?,
        },
    })
}

fn status_of(row: &Row) -> Result<AccountStatus, StoreError> {
    let name: String = row.get(ACCOUNTS, "status")?;
    AccountStatus::from_parts(&name, row.find(ACCOUNTS, "status_since")?).ok_or(
        StoreError::Corrupt {
            table: ACCOUNTS,
            column: "status",
        },
    )
}

fn has(row: &Row, column: &'static str) -> Result<bool, StoreError> {
    let number: i64 = row.get(ACCOUNTS, column)?;
    Ok(number != 0)
}

/// Reads the account from a row with [`account_columns`] that was left-joined, so that there may be none.
pub(crate) fn account_if_any(row: &Row) -> Result<Option<AccountRecord>, StoreError> {
    let there = row.find::<uuid::Uuid>("accounts", "owner_id")?.is_some();
    there.then(|| account_of(row)).transpose()
}

/// Reads the account's data key from a row with its two columns.
pub(crate) fn wrapped_key_of(row: &Row) -> Result<WrappedKey, StoreError> {
    Ok(WrappedKey {
        master_key_id: row.get("account_keys", "master_key_id")?,
        bytes: row.get("account_keys", "wrapped_key")?,
    })
}
