//! The history of the schema, for PostgreSQL and for SQLite.
//!
//! One module per slice and change, named by its date. It knows tables and nothing else: what a column
//! means is the domain's, what asks for it is the adapter's.
//!
//! What every table keeps to:
//!
//! - Time is `bigint` microseconds since the epoch, an id is a native `uuid` on PostgreSQL and 16 bytes on
//!   SQLite, a digest is 32 bytes. So the same queries run on both.
//! - Constraints and indexes have names: the adapter tells by them which rule was broken.
//! - A column of names (a status, a purpose) has no list of the allowed ones: SQLite cannot change a CHECK,
//!   and the release before must go on working on this schema.
//! - A foreign key deletes with its account, so that erasing one leaves nothing behind. The trail, the
//!   outbox and what is remembered of an import have none: they outlive what they tell of.

mod audit_partitions;
mod ddl;
mod grants;
mod m20261122_000001_accounts;
mod m20261122_000002_sessions;
mod m20261122_000003_challenges;
mod m20261122_000004_protection;
mod m20261122_000005_audit;
mod m20261122_000006_outbox;
mod m20261122_000007_idempotency;
mod m20261124_000008_messages;
mod m20261124_000009_event_lanes;
mod m20261124_000010_keys;
mod m20261124_000011_imports;
mod m20261124_000012_counted_messages;
mod m20261129_000013_second_factors;
mod m20261129_000014_passkeys;
mod m20261129_000015_federation;
mod m20261129_000016_notices;
mod m20261129_000017_factor_resets;
mod m20261129_000018_taking_back;
mod m20261129_000019_upkeep_of_factors;
mod m20261129_000020_proofs_of_sessions;
mod m20261129_000021_security_moves;
mod m20261129_000022_failures_in_a_row;
mod m20261129_000023_gathered_notices;
mod m20261129_000024_service_clock;
mod m20261130_000026_put_off;
mod m20261130_000027_providers;
mod m20261130_000029_restores;
mod m20261130_000030_lanes_put_off;
mod runner;

use async_trait::async_trait;
use sea_orm_migration::{
    MigrationTrait,
    sea_orm::{DatabaseConnection, DbBackend, DbErr},
};
use time::OffsetDateTime;

pub use audit_partitions::ensure_audit_partitions;
pub use grants::grant_to_nodes;
pub use sea_orm_migration::MigratorTrait;

/// All migrations in their order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_accounts::Migration),
            Box::new(m20261122_000002_sessions::Migration),
            Box::new(m20261122_000003_challenges::Migration),
            Box::new(m20261122_000004_protection::Migration),
            Box::new(m20261122_000005_audit::Migration),
            Box::new(m20261122_000006_outbox::Migration),
            Box::new(m20261122_000007_idempotency::Migration),
            Box::new(m20261124_000008_messages::Migration),
            Box::new(m20261124_000009_event_lanes::Migration),
            Box::new(m20261124_000010_keys::Migration),
            Box::new(m20261124_000011_imports::Migration),
            Box::new(m20261124_000012_counted_messages::Migration),
            Box::new(m20261129_000013_second_factors::Migration),
            Box::new(m20261129_000014_passkeys::Migration),
            Box::new(m20261129_000015_federation::Migration),
            Box::new(m20261129_000016_notices::Migration),
            Box::new(m20261129_000017_factor_resets::Migration),
            Box::new(m20261129_000018_taking_back::Migration),
            Box::new(m20261129_000019_upkeep_of_factors::Migration),
            Box::new(m20261129_000020_proofs_of_sessions::Migration),
            Box::new(m20261129_000021_security_moves::Migration),
            Box::new(m20261129_000022_failures_in_a_row::Migration),
            Box::new(m20261129_000023_gathered_notices::Migration),
            Box::new(m20261129_000024_service_clock::Migration),
            Box::new(m20261130_000026_put_off::Migration),
            Box::new(m20261130_000027_providers::Migration),
            Box::new(m20261130_000029_restores::Migration),
            Box::new(m20261130_000030_lanes_put_off::Migration),
        ]
    }
}

/// The names of all migrations of this release, oldest first.
pub fn names() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}

/// The statement that makes the table of restores where it is missing: data that are put back may be older than it.
pub fn restores_table(backend: DbBackend) -> String {
    m20261130_000029_restores::restores_table(backend)
}

/// The migrations that this release has and the database has not, oldest first. Changes nothing, and may
/// be asked without the right to.
///
/// Migrations of a later release do not count: the schema they made still carries this one.
///
/// # Errors
/// [`DbErr`] when the database does not answer.
pub async fn pending(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let applied = runner::applied(db).await?;
    Ok(Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .filter(|name| !applied.contains(name))
        .collect())
}

/// Applies what is pending, and gives the trail room for the months from `now` on. Safe to call from
/// several nodes at once: the second waits and finds nothing left to do.
///
/// Takes two connections while it works on PostgreSQL, which may be those of a pooler in transaction mode.
///
/// # Errors
/// [`DbErr`]: a migration that failed is undone, those before it stay.
pub async fn up(db: &DatabaseConnection, now: OffsetDateTime) -> Result<(), DbErr> {
    if !pending(db).await?.is_empty() {
        runner::up(db).await?;
    }
    ensure_audit_partitions(db, now).await
}

/// Takes back the newest migrations, `steps` of them, or all.
///
/// # Errors
/// [`DbErr`]: a migration whose way back failed is still applied.
pub async fn down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), DbErr> {
    runner::down(db, steps).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dated_and_in_order() {
        let names: Vec<_> = Migrator::migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(
            names.iter().all(|name| name.starts_with("m2026")),
            "{names:?}"
        );
    }
}
