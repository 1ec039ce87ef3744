//! Copies of the embedded database, which is one file.

use std::{path::Path, time::Duration};

use authentication_app::ports::{Restore, StoreError};
use sea_orm::DbBackend;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use super::CopyFacts;
use crate::error::{Fault, from_sqlx};

/// A copy waits this long for somebody who writes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Whoever uses a database that is to be replaced is not waited for.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// Asking a database file that no pool has open.
#[derive(Debug, Clone, Copy)]
pub struct Embedded;

/// What became of a database that is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Everything that was committed is in the one file, and nobody has it open.
    Whole,
    /// Somebody has it open.
    InUse,
    /// It cannot be read.
    Unreadable,
}

impl Embedded {
    /// Copies the database in `source`, as of one moment, into `target`, an empty file. Whoever writes goes on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn copy(source: &Path, target: &Path) -> Result<(), StoreError> {
        let target = target.to_str().ok_or(Fault::UnreadableUrl)?;
        let mut connection = open(source, PATIENCE).await?;
        let done = sqlx::query("VACUUM INTO ?")
            .bind(target)
            .execute(&mut connection)
            .await;
        let done = done.map(drop).map_err(|error| from_sqlx(&error));
        close(connection).await;
        done
    }

    /// What is in a file that nobody writes to, and whether it is whole: what the engine's own checks found instead.
    ///
    /// # Errors
    /// [`StoreError`], also when it is no database.
    pub async fn examine(file: &Path) -> Result<Result<CopyFacts, String>, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .immutable(true);
        let mut connection = options.connect().await.map_err(|error| from_sqlx(&error))?;
        let examined = examine(&mut connection).await;
        close(connection).await;
        examined
    }

    /// Notes in a copy that it is about to be put back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark(file: &Path, restore: &Restore) -> Result<(), StoreError> {
        let table = migration::restores_table(DbBackend::Sqlite);
        let mut connection = open(file, IMPATIENCE).await?;
        let done = async {
            // No file of its own beside it, which would have to be moved along.
            sqlx::raw_sql("PRAGMA journal_mode = DELETE")
                .execute(&mut connection)
                .await?;
            sqlx::raw_sql(AssertSqlSafe(table))
                .execute(&mut connection)
                .await?;
            sqlx::query("INSERT INTO restores (id, marked_at, keeps_sessions) VALUES (?, ?, ?)")
                .bind(restore.id.as_bytes().to_vec())
                .bind(common::clock::to_micros(restore.marked_at))
                .bind(i64::from(restore.keeps_sessions))
                .execute(&mut connection)
                .await
                .map(drop)
        }
        .await;
        close(connection).await;
        done.map_err(|error| from_sqlx(&error))
    }

    /// Brings what the write-ahead log holds into a database that is to be replaced, and removes the log: it would
    /// change what takes the database's place.
    pub async fn settle(file: &Path) -> Settled {
        let Ok(mut connection) = open(file, IMPATIENCE).await else {
            return Settled::Unreadable;
        };
        // The engine allows it to whoever is alone.
        let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = DELETE")
            .fetch_one(&mut connection)
            .await;
        close(connection).await;
        match mode {
            Ok(mode) if mode == "delete" => Settled::Whole,
            Ok(_) => Settled::InUse,
            Err(sqlx::Error::Database(error)) if is_busy(error.code().as_deref()) => Settled::InUse,
            Err(_) => Settled::Unreadable,
        }
    }
}

/// `SQLITE_BUSY` and `SQLITE_LOCKED`, with whatever detail.
fn is_busy(code: Option<&str>) -> bool {
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

async fn examine(
    connection: &mut SqliteConnection,
) -> Result<Result<CopyFacts, String>, StoreError> {
    let failed = |error: sqlx::Error| from_sqlx(&error);
    let found = sqlx::query_scalar::<_, String>("PRAGMA integrity_check(1)")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if found != "ok" {
        return Ok(Err(format!("integrity_check: {found}")));
    }
    let orphans = sqlx::query("PRAGMA foreign_key_check")
        .fetch_all(&mut *connection)
        .await
        .map_err(failed)?;
    if !orphans.is_empty() {
        let rows = orphans.len();
        return Ok(Err(format!(
            "foreign_key_check: {rows} rows without their account"
        )));
    }
    facts_of!(connection, "SELECT sqlite_version()").map(Ok)
}

async fn open(file: &Path, patience: Duration) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .busy_timeout(patience)
        .disable_statement_logging();
    options.connect().await.map_err(|error| from_sqlx(&error))
}

async fn close(connection: SqliteConnection) {
    // What was done is done or reported; closing cannot undo it.
    let _ = connection.close().await;
}
