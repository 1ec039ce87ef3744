//! Reads of identities at OpenID providers.

use async_trait::async_trait;
use authentication_app::ports::{
    FederatedIdentityRecord, FederationQueries, FederationQuestion, FederationRecord, StoreError,
};
use authentication_domain::accounts::AccountId;

use crate::{
    account_record::{account_columns, account_if_any, account_parts},
    attempts::{any_in_a_row, in_a_row_of},
    federation::IDENTITIES,
    sql::{Sql, tuples},
    store::Store,
};

/// By `federated_identities_account_id_provider_key`.
const IDENTITIES_OF: &str = "SELECT id, provider, digest, identity, linked_at FROM federated_identities \
     WHERE account_id = $1 ORDER BY provider";

#[async_trait]
impl FederationQueries for Store {
    #[tracing::instrument(name = "federation.federation_record", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn federation_record(
        &self,
        asked: FederationQuestion<'_>,
    ) -> Result<FederationRecord, StoreError> {
        let entries = &asked.address.entries;
        let sql = Sql::new(federation_record(entries.len()))
            .bind(&asked.identity)
            .bind(&asked.device)
            .bind(&asked.at);
        let sql = entries.iter().fold(sql, |sql, entry| {
            sql.bind(&entry.digest).bind(&entry.key_id)
        });
        let Some(row) = sql.row(&self.readers).await? else {
            return Ok(FederationRecord::default());
        };
        Ok(FederationRecord {
            owner: account_if_any(&row)?,
            address_owner: row.find("identifier_index", "indexed_id")?,
            device: row.find("devices", "device_id")?,
            device_remembered_until: row.find("devices", "remembered_until")?,
            failures_in_a_row: any_in_a_row(&row)?,
        })
    }

    #[tracing::instrument(name = "federation.identities_of", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn identities_of(
        &self,
        account: AccountId,
    ) -> Result<Vec<FederatedIdentityRecord>, StoreError> {
        let identities = Sql::new(IDENTITIES_OF).bind(&account);
        let rows = identities.rows(&self.readers).await?;
        rows.iter()
            .map(|row| {
                Ok(FederatedIdentityRecord {
                    id: row.get(IDENTITIES, "id")?,
                    provider: row.get(IDENTITIES, "provider")?,
                    digest: row.get(IDENTITIES, "digest")?,
                    identity: row.get(IDENTITIES, "identity")?,
                    linked_at: row.get(IDENTITIES, "linked_at")?,
                })
            })
            .collect()
    }
}

/// By `federated_identities_digest_key` and by primary keys. Always returns one row.
///
/// `$1` digest of the identity, `$2` device, `$3` now, then `entries` index entries of the address.
fn federation_record(entries: usize) -> String {
    format!(
        concat!(
            "SELECT ",
            account_columns!(),
            ", ",
            in_a_row_of!("a.id"),
            ", found.account_id AS indexed_id, d.id AS device_id, d.remembered_until \
             FROM (SELECT 1 AS asked) AS question \
             LEFT JOIN (SELECT i.account_id FROM identifier_index i \
             WHERE (i.digest, i.key_id) IN (VALUES {entries}) \
             AND (i.reserved_until IS NULL OR i.reserved_until > $3) LIMIT 1) found ON TRUE \
             LEFT JOIN federated_identities f ON f.digest = $1 \
             LEFT JOIN accounts a ON a.id = f.account_id",
            account_parts!(),
            "LEFT JOIN devices d ON d.account_id = a.id AND d.id = $2"
        ),
        entries = tuples(4, entries, 2)
    )
}
