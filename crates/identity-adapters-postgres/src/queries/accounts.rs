//! Reads of accounts.

use async_trait::async_trait;
use authentication_app::ports::{
    AccountQueries, AccountRecord, SignInQuestion, SignInRecord, StoreError, Subject,
};
use authentication_domain::{
    accounts::AccountId, credentials::PasswordHash, protection::AttemptCounter,
    protection::LockoutRules,
};
use common::clock::SKEW;
use time::OffsetDateTime;

use crate::{
    account_record::{account_columns, account_if_any, account_of, account_parts},
    attempts::NO_DEVICE,
    sql::{Row, Sql, tuples},
    store::Store,
};

/// A password that is locked until a reset reads as NULL.
macro_rules! usable_password {
    () => {
        "CASE WHEN c.locked_until_reset_at IS NULL THEN c.password_hash END AS password_hash"
    };
}

const CREDENTIALS_OF: &str = concat!(
    "SELECT ",
    account_columns!(),
    ", ",
    usable_password!(),
    " FROM accounts a",
    account_parts!(),
    "LEFT JOIN password_credentials c ON c.account_id = a.id WHERE a.id = $1"
);

/// By the primary keys of `identifier_index`, `accounts` and its parts.
const FIND_BY_SUBJECT: &str = concat!(
    "SELECT ",
    account_columns!(),
    " FROM accounts a",
    account_parts!(),
    "WHERE a.id = (SELECT i.account_id FROM identifier_index i \
     WHERE i.digest = $1 AND i.reserved_until IS NULL LIMIT 1)"
);

/// By the primary key. `$1` digest, `$2` now, `$3` the account that asks, whose own reservation does not count.
const IS_RESERVED: &str = "SELECT i.account_id FROM identifier_index i \
     WHERE i.digest = $1 AND i.reserved_until > $2 \
     AND ($3 IS NULL OR i.account_id <> $3) LIMIT 1";

const PROVEN_AT: &str =
    "SELECT coalesce(identifier_proven_at, created_at) AS proven_at FROM accounts WHERE id = $1";

#[async_trait]
impl AccountQueries for Store {
    #[tracing::instrument(name = "accounts.sign_in_record", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn sign_in_record(&self, asked: SignInQuestion<'_>) -> Result<SignInRecord, StoreError> {
        let entries = &asked.identifier.entries;
        let sql = Sql::new(sign_in_record(entries.len()))
            .bind(&asked.identifier.subject)
            .bind(&asked.device)
            .bind(&NO_DEVICE)
            .bind(&asked.spared_when_locked_at)
            .bind(&asked.spared_when_locked_at.map(|_| asked.most_in_a_row));
        let sql = entries.iter().fold(sql, |sql, entry| {
            sql.bind(&entry.digest).bind(&entry.key_id)
        });
        let row = sql.row(&self.readers).await?;
        let Some(row) = row else {
            return Ok(SignInRecord::default());
        };
        let codes_in_a_row: Option<u32> = row.find("code_tries", "codes_in_a_row")?;
        Ok(SignInRecord {
            owner: row.find("identifier_index", "indexed_id")?,
            account: account_if_any(&row)?,
            password: row.find("password_credentials", "password_hash")?,
            reset_over: row.find("password_credentials", "reset_over")?,
            device: row.find("devices", "device_id")?,
            device_remembered_until: row.find("devices", "remembered_until")?,
            failures: counter_of(&row, ["failures", "since", "locked_until", "in_a_row"])?,
            device_failures: counter_of(
                &row,
                [
                    "device_failures",
                    "device_since",
                    "device_locked_until",
                    "device_in_a_row",
                ],
            )?,
            codes_in_a_row: codes_in_a_row.is_some_and(|most| most > 0),
        })
    }

    #[tracing::instrument(name = "accounts.credentials_of", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn credentials_of(
        &self,
        account: AccountId,
    ) -> Result<Option<(AccountRecord, Option<PasswordHash>)>, StoreError> {
        let row = Sql::new(CREDENTIALS_OF)
            .bind(&account)
            .row(&self.readers)
            .await?;
        row.map(|row| {
            let password = row.find("password_credentials", "password_hash")?;
            Ok((account_of(&row)?, password))
        })
        .transpose()
    }

    #[tracing::instrument(name = "accounts.find_by_subject", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_by_subject(&self, subject: Subject) -> Result<Option<AccountRecord>, StoreError> {
        let row = Sql::new(FIND_BY_SUBJECT)
            .bind(&subject)
            .row(&self.readers)
            .await?;
        row.as_ref().map(account_of).transpose()
    }

    #[tracing::instrument(name = "accounts.is_reserved", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn is_reserved(
        &self,
        subject: Subject,
        asking: Option<AccountId>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let row = Sql::new(IS_RESERVED)
            .bind(&subject)
            .bind(&now)
            .bind(&asking)
            .row(&self.readers)
            .await?;
        Ok(row.is_some())
    }

    #[tracing::instrument(name = "accounts.identifier_proven_at", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn identifier_proven_at(
        &self,
        account: AccountId,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let row = Sql::new(PROVEN_AT)
            .bind(&account)
            .row(&self.readers)
            .await?;
        row.map(|row| row.get("accounts", "proven_at")).transpose()
    }
}

/// All by primary keys: `identifier_index`, `accounts` and its parts, `devices`, `sign_in_failures`, `code_tries`.
/// Always returns one row, so that failures are also reported for identifiers without an account. Where reading the
/// account is spared, it is looked up by NULL.
///
/// `$1` subject, `$2` device, `$3` no device, `$4` now, or NULL if reading the account is never spared, `$5` failures
/// in a row after which it is spared, then `entries` index entries. A counter at 0 was cleared.
fn sign_in_record(entries: usize) -> String {
    format!(
        concat!(
            "SELECT ",
            account_columns!(),
            ", found.account_id AS indexed_id, ",
            usable_password!(),
            ", c.reset_over, d.id AS device_id, \
             d.remembered_until, f.failures, f.since, f.locked_until, f.in_a_row, \
             g.failures AS device_failures, g.since AS device_since, \
             g.locked_until AS device_locked_until, g.in_a_row AS device_in_a_row, \
             (SELECT max(t.in_a_row) FROM code_tries t WHERE t.subject = $1) AS codes_in_a_row \
             FROM (SELECT 1 AS asked) AS question \
             LEFT JOIN (SELECT i.account_id FROM identifier_index i \
             WHERE (i.digest, i.key_id) IN (VALUES {entries}) \
             AND i.reserved_until IS NULL LIMIT 1) found ON TRUE \
             LEFT JOIN sign_in_failures f \
             ON f.subject = $1 AND f.device_id = $3 AND f.failures > 0 \
             LEFT JOIN sign_in_failures g \
             ON g.subject = $1 AND g.device_id = $2 AND g.failures > 0 \
             LEFT JOIN devices d ON d.account_id = found.account_id AND d.id = $2 \
             LEFT JOIN accounts a ON a.id = \
             CASE WHEN (f.locked_until > $4 AND f.locked_until <= $4 + {longest} OR f.in_a_row >= $5) \
             AND d.id IS NULL THEN NULL ELSE found.account_id END",
            account_parts!(),
            "LEFT JOIN password_credentials c ON c.account_id = a.id"
        ),
        longest = (LockoutRules::WINDOW + SKEW).whole_microseconds(),
        entries = tuples(6, entries, 2)
    )
}

fn counter_of(
    row: &Row,
    [failures, since, locked_until, in_a_row]: [&'static str; 4],
) -> Result<Option<AttemptCounter>, StoreError> {
    const TABLE: &str = "sign_in_failures";
    let counted: Option<u32> = row.find(TABLE, failures)?;
    counted
        .map(|failures| {
            Ok(AttemptCounter {
                failures,
                since: row.get(TABLE, since)?,
                locked_until: row.find(TABLE, locked_until)?,
                in_a_row: row.get(TABLE, in_a_row)?,
            })
        })
        .transpose()
}
