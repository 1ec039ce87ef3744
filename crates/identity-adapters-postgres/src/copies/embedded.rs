//! Copies of the embedded database, which is a single file.

use std::{path::Path, time::Duration};

use authentication_app::ports::{Restore, StoreError};
use sea_orm::DbBackend;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use super::CopyFacts;
use crate::error::{Fault, from_sqlx};

/// Busy timeout of a copy: how long it waits for a writer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Busy timeout on a database that is about to be replaced: too short to wait until other users are done.
const IMPATIENCE: Duration = Duration::from_millis(500);

/// Operations on a database file that no pool has open.
#[derive(Debug, Clone, Copy)]
pub struct Embedded;

/// The state of a database that is about to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// All committed data are in the one file, and no other process has it open.
    Whole,
    /// Another process has it open.
    InUse,
    /// It cannot be read.
    Unreadable,
}

impl Embedded {
    /// Copies the database in `source`, as of one moment, into `target`, an empty file. Writers are not interrupted.
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

    /// Reads the contents of a file without writers, and checks it: the inner `Err` is what the engine's own integrity
    /// checks reported.
    ///
    /// # Errors
    /// [`StoreError`], also if the file is not a database.
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

    /// Records in a copy that it is about to be restored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark(file: &Path, restore: &Restore) -> Result<(), StoreError> {
        let table = migration::restores_table(DbBackend::Sqlite);
        let mut connection = open(file, IMPATIENCE).await?;
        let done = async {
            // A single file: a write-ahead log beside it would have to be moved along.
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

    /// Moves the contents of the write-ahead log into a database that is about to be replaced, and removes the log:
    /// SQLite would apply it to the file that replaces the database.
    pub async fn settle(file: &Path) -> Settled {
        let Ok(mut connection) = open(file, IMPATIENCE).await else {
            return Settled::Unreadable;
        };
        // SQLite changes the journal mode only on the sole connection.
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

/// `SQLITE_BUSY` and `SQLITE_LOCKED`, with any extended code.
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
    // The work has succeeded or its error is reported; closing changes neither.
    let _ = connection.close().await;
}
