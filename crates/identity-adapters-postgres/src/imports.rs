//! Users imported from another system, in batches.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use authentication_app::ports::{
    ImportClaim, ImportQueries, ImportRepository, ImportedUser, NewAccount, NewFederatedIdentity,
    NewImport, StoreError,
};
use authentication_domain::accounts::{AccountId, LegacyId};
use time::OffsetDateTime;

use crate::{
    account_rows,
    federation::IDENTITIES,
    sql::{Row, Sql, tuples},
    store::Store,
    unit_of_work::SqlUnitOfWork,
};

const TABLE: &str = "imported_users";

#[async_trait]
impl ImportQueries for Store {
    /// By the primary key.
    #[tracing::instrument(name = "imports.find", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn find_imported(
        &self,
        ids: &[LegacyId],
    ) -> Result<HashMap<LegacyId, ImportedUser>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let text = format!(
            "SELECT legacy_id, account_id, fingerprint FROM imported_users WHERE legacy_id IN {}",
            tuples(1, 1, ids.len())
        );
        let question = ids.iter().fold(Sql::over_rows(text), Sql::bind);
        let rows = question.rows(&self.readers).await?;
        rows.iter()
            .map(|row| {
                let user = ImportedUser {
                    account: row.get(TABLE, "account_id")?,
                    fingerprint: row.get(TABLE, "fingerprint")?,
                };
                Ok((row.get(TABLE, "legacy_id")?, user))
            })
            .collect()
    }
}

#[async_trait]
impl ImportRepository for SqlUnitOfWork {
    /// Seven statements, two more if an identifier is taken, and two to four more if there are federated identities.
    /// The legacy ids come first: two imports of the same file wait for each other there. The identifiers come next,
    /// where other concurrent claims wait.
    #[tracing::instrument(name = "imports.insert", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn insert(
        &mut self,
        users: &[NewImport],
        now: OffsetDateTime,
    ) -> Result<Vec<ImportClaim>, StoreError> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let unknown = claim_ids(self, users, now).await?;
        let is_unknown = |user: &&NewImport| unknown.contains(&account_of(user));
        let candidates: Vec<&NewImport> = users.iter().filter(is_unknown).collect();
        let taken = claim_identifiers(self, &candidates).await?;
        let is_free = |user: &&NewImport| !taken.contains(&account_of(user));
        let candidates: Vec<&NewImport> = candidates.into_iter().filter(is_free).collect();
        let known = known_identities(self, &candidates).await?;
        let is_nobodys = |user: &&NewImport| !known.contains(&account_of(user));
        let inserted: Vec<&NewImport> = candidates.into_iter().filter(is_nobodys).collect();
        let accounts: Vec<&NewAccount> = inserted.iter().map(|user| &user.account).collect();
        account_rows::insert(self, &accounts).await?;
        link(self, &inserted).await?;
        let claim = |user: &NewImport| match account_of(user) {
            account if taken.contains(&account) => ImportClaim::IdentifierTaken,
            account if known.contains(&account) => ImportClaim::IdentityTaken,
            account if unknown.contains(&account) => ImportClaim::Inserted,
            _ => ImportClaim::IdKnown,
        };
        Ok(users.iter().map(claim).collect())
    }
}

fn account_of(user: &NewImport) -> AccountId {
    user.account.record.account.id
}

/// Claims the legacy ids; returns the users whose id was free. Rows are claimed in a fixed order to avoid deadlocks.
async fn claim_ids(
    unit: &SqlUnitOfWork,
    users: &[NewImport],
    now: OffsetDateTime,
) -> Result<HashSet<AccountId>, StoreError> {
    let mut users: Vec<&NewImport> = users.iter().collect();
    users.sort_by_key(|user| &user.legacy_id);
    let text = format!(
        "INSERT INTO imported_users (legacy_id, account_id, fingerprint, imported_at) VALUES {} \
         ON CONFLICT (legacy_id) DO NOTHING RETURNING account_id",
        tuples(1, users.len(), 4)
    );
    let claim = users.iter().fold(Sql::over_rows(text), |sql, user| {
        sql.bind(&user.legacy_id)
            .bind(&account_of(user))
            .bind(&user.fingerprint)
            .bind(&now)
    });
    let rows = claim.rows(unit).await?;
    rows.iter()
        .map(|row| row.get(TABLE, "account_id"))
        .collect()
}

/// Returns the users whose identifier is taken, under any index key. Their rows are removed again.
async fn claim_identifiers(
    unit: &SqlUnitOfWork,
    users: &[&NewImport],
) -> Result<HashSet<AccountId>, StoreError> {
    if users.is_empty() {
        return Ok(HashSet::new());
    }
    let accounts = users.iter().map(|user| &user.account);
    let then = " ON CONFLICT (digest, key_id) DO NOTHING RETURNING account_id";
    let rows = account_rows::claim_identifiers(accounts, then)
        .rows(unit)
        .await?;
    let account = |row: &Row| row.get::<AccountId>("identifier_index", "account_id");
    let mut claimed: HashMap<AccountId, usize> = HashMap::new();
    for row in &rows {
        *claimed.entry(account(row)?).or_default() += 1;
    }
    let is_taken = |user: &&&NewImport| {
        let entries = user.account.index.entries.len();
        claimed.get(&account_of(user)).copied().unwrap_or_default() < entries
    };
    let taken: Vec<&NewImport> = users.iter().filter(is_taken).copied().collect();
    give_up(unit, &taken).await?;
    Ok(taken.into_iter().map(account_of).collect())
}

/// Returns the users with an identity that is already linked, or that belongs to an earlier user of the batch. Their
/// rows are removed again.
async fn known_identities(
    unit: &SqlUnitOfWork,
    users: &[&NewImport],
) -> Result<HashSet<AccountId>, StoreError> {
    let identities = || users.iter().flat_map(|user| &user.identities);
    if identities().next().is_none() {
        return Ok(HashSet::new());
    }
    let text = format!(
        "SELECT digest FROM federated_identities WHERE digest IN {}",
        tuples(1, 1, identities().count())
    );
    let question = identities().fold(Sql::over_rows(text), |sql, it| sql.bind(&it.digest));
    let rows = question.rows(unit).await?;
    let mut seen: HashSet<[u8; 32]> = rows
        .iter()
        .map(|row| row.get(IDENTITIES, "digest"))
        .collect::<Result<_, _>>()?;
    let mut known = Vec::new();
    for user in users.iter().copied() {
        if user.identities.iter().any(|it| seen.contains(&it.digest)) {
            known.push(user);
        } else {
            seen.extend(user.identities.iter().map(|it| it.digest));
        }
    }
    give_up(unit, &known).await?;
    Ok(known.into_iter().map(account_of).collect())
}

/// Links the identities. If one was linked concurrently since the lookup, the unit is retried.
async fn link(unit: &SqlUnitOfWork, users: &[&NewImport]) -> Result<(), StoreError> {
    let mut identities: Vec<&NewFederatedIdentity> =
        users.iter().flat_map(|user| &user.identities).collect();
    // Rows are claimed in a fixed order to avoid deadlocks.
    identities.sort_by_key(|it| it.digest);
    if identities.is_empty() {
        return Ok(());
    }
    let text = format!(
        "INSERT INTO federated_identities (id, account_id, provider, digest, identity, linked_at) \
         VALUES {} ON CONFLICT (digest) DO NOTHING RETURNING id",
        tuples(1, identities.len(), 6)
    );
    let insert = identities.iter().fold(Sql::over_rows(text), |sql, it| {
        sql.bind(&it.id)
            .bind(&it.account)
            .bind(&it.provider)
            .bind(&it.digest)
            .bind(&it.identity)
            .bind(&it.linked_at)
    });
    if insert.rows(unit).await?.len() == identities.len() {
        Ok(())
    } else {
        Err(StoreError::Retryable)
    }
}

async fn give_up(unit: &SqlUnitOfWork, users: &[&NewImport]) -> Result<(), StoreError> {
    if users.is_empty() {
        return Ok(());
    }
    let all = tuples(1, 1, users.len());
    let index = format!("DELETE FROM identifier_index WHERE account_id IN {all}");
    let index = users.iter().fold(Sql::over_rows(index), |sql, user| {
        sql.bind(&account_of(user))
    });
    index.execute(unit).await?;
    let ids = format!("DELETE FROM imported_users WHERE legacy_id IN {all}");
    let ids = users
        .iter()
        .fold(Sql::over_rows(ids), |sql, user| sql.bind(&user.legacy_id));
    ids.execute(unit).await?;
    Ok(())
}
