//! Applying migrations and taking them back.
//!
//! Nothing here depends on the session of a connection, so that it works through a pooler that gives a
//! connection for one transaction only: no statement is named, settings and locks end with their transaction,
//! and each migration is one transaction.

use std::sync::Arc;

use sea_orm_migration::{
    MigrationTrait, MigratorTrait as _, SchemaManager,
    sea_orm::{
        ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
        RuntimeErr, Statement, TransactionTrait as _, sqlx,
    },
};

use crate::Migrator;

/// The table that says which migrations were applied, as sea-orm makes it.
const TABLE: &str = "seaql_migrations";

/// Nodes that start together take turns under this key. Any number does that no other lock uses.
const TURN: i64 = 0x6661_7368_696f_6e01;

/// The names of the migrations that were applied.
pub(crate) async fn applied(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        return applied_on_postgres(db).await;
    }
    let unit = db.begin().await?;
    let names = applied_on_sqlite(&unit).await?;
    unit.rollback().await?;
    Ok(names)
}

async fn applied_on_postgres(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let mut unit = begin(db).await?;
    let exists = format!("SELECT to_regclass('{TABLE}') IS NOT NULL");
    let exists: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(exists))
        .persistent(false)
        .fetch_one(&mut *unit)
        .await
        .map_err(failed)?;
    let names = if exists {
        let versions = format!("SELECT version::text FROM {TABLE}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(versions))
            .persistent(false)
            .fetch_all(&mut *unit)
            .await
            .map_err(failed)?
    } else {
        Vec::new()
    };
    unit.rollback().await.map_err(failed)?;
    Ok(names)
}

async fn applied_on_sqlite(unit: &DatabaseTransaction) -> Result<Vec<String>, DbErr> {
    let asked = |text: String| unit.query_all_raw(Statement::from_string(DbBackend::Sqlite, text));
    let exists = asked(format!(
        "SELECT name FROM sqlite_schema WHERE name = '{TABLE}'"
    ));
    if exists.await?.is_empty() {
        return Ok(Vec::new());
    }
    let rows = asked(format!("SELECT version FROM {TABLE}")).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

/// A transaction of PostgreSQL whose statements need no name.
pub(crate) async fn begin(
    db: &DatabaseConnection,
) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, DbErr> {
    let pool = db.get_postgres_connection_pool();
    pool.begin().await.map_err(failed)
}

pub(crate) fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// Applies what is pending, oldest first. On PostgreSQL it takes two connections while it works.
pub(crate) async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let turn = db.begin().await?;
    if turn.get_database_backend() == DbBackend::Postgres {
        // Waiting for another node is no fault, however long its migration takes.
        let wait = format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = 0; \
             SELECT pg_advisory_xact_lock({TURN})"
        );
        turn.execute_unprepared(&wait).await?;
        let applied = applied_on_postgres(db).await?;
        for migration in pending_after(&applied) {
            if migration.use_transaction() == Some(false) {
                migration.up(&SchemaManager::new(db)).await?;
                let unit = db.begin().await?;
                record(&unit, migration.name()).await?;
                unit.commit().await?;
            } else {
                let unit = db.begin().await?;
                apply(&unit, migration.as_ref()).await?;
                unit.commit().await?;
            }
        }
        turn.rollback().await
    } else {
        // The one writer of SQLite is `turn` itself.
        let applied = applied_on_sqlite(&turn).await?;
        for migration in pending_after(&applied) {
            apply(&turn, migration.as_ref()).await?;
        }
        turn.commit().await
    }
}

fn pending_after(applied: &[String]) -> Vec<Box<dyn MigrationTrait>> {
    let mut all = Migrator::migrations();
    all.retain(|migration| !applied.iter().any(|name| name == migration.name()));
    all
}

async fn apply(unit: &DatabaseTransaction, migration: &dyn MigrationTrait) -> Result<(), DbErr> {
    migration.up(&SchemaManager::new(unit)).await?;
    record(unit, migration.name()).await
}

async fn record(unit: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    let now = match unit.get_database_backend() {
        DbBackend::Postgres => "extract(epoch FROM now())::bigint",
        _ => "unixepoch()",
    };
    let recorded = format!(
        "CREATE TABLE IF NOT EXISTS {TABLE} (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL); \
         INSERT INTO {TABLE} (version, applied_at) VALUES ('{name}', {now})"
    );
    unit.execute_unprepared(&recorded).await?;
    Ok(())
}

/// Takes back the newest migrations, `steps` of them, or all.
pub(crate) async fn down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), DbErr> {
    let applied = applied(db).await?;
    let newest_first = Migrator::migrations()
        .into_iter()
        .rev()
        .filter(|migration| applied.iter().any(|name| name == migration.name()));
    let steps = steps.map_or(usize::MAX, |steps| {
        usize::try_from(steps).unwrap_or(usize::MAX)
    });
    for migration in newest_first.take(steps) {
        let unit = db.begin().await?;
        migration.down(&SchemaManager::new(&unit)).await?;
        let name = migration.name();
        let forgotten = format!("DELETE FROM {TABLE} WHERE version = '{name}'");
        unit.execute_unprepared(&forgotten).await?;
        unit.commit().await?;
    }
    Ok(())
}
