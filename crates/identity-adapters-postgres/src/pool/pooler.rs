//! Identifies a pooler, for operators. No behaviour depends on the result.

use std::{borrow::Cow, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Row as _, error::DatabaseError,
    postgres::PgConnectOptions,
};
use tokio::time::timeout;

use super::servers::ask;

/// How many concurrent transactions are opened to see whose sessions they get.
const RIVALS: usize = 4;

/// A pooler between the service and PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooler {
    /// Its name, with the version if it reports one; "a pooler" if unknown.
    pub name: String,
    /// Whether a connection was observed to keep its session from one transaction to the next; `None` if this could not
    /// be determined.
    pub keeps_sessions: Option<bool>,
}

impl Pooler {
    pub(super) async fn behind(options: &PgConnectOptions, patience: Duration) -> Self {
        let name = timeout(patience, name(options)).await.ok().flatten();
        let keeps = timeout(patience, keeps_sessions(options)).await;
        Self {
            name: name.unwrap_or_else(|| "a pooler".to_owned()),
            keeps_sessions: keeps.ok().and_then(Result::ok),
        }
    }
}

/// PgBouncer has an admin console that looks like a database. A role without access to it still learns the name from
/// the error code: PostgreSQL would report that there is no such database.
async fn name(options: &PgConnectOptions) -> Option<String> {
    let console = options.clone().database("pgbouncer");
    let mut connection = match console.connect().await {
        Ok(connection) => connection,
        Err(error) => {
            let code = error.as_database_error().and_then(DatabaseError::code)?;
            return (code == Cow::Borrowed("08P01")).then(|| "PgBouncer".to_owned());
        }
    };
    let version = ask(&mut connection, "SHOW VERSION".to_owned()).await;
    let _ = connection.close().await;
    version.ok()?.try_get(0).ok()
}

/// False if a session serves another connection's transaction while its first connection is still open.
async fn keeps_sessions(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut first = options.connect().await?;
    let before = session_of_a_transaction(&mut first).await?;
    let mut rivals = Vec::new();
    let mut is_kept = true;
    // No more connections than necessary: a small pool may have no session left for them.
    while is_kept && rivals.len() < RIVALS {
        let mut rival = options.connect().await?;
        sqlx::raw_sql("BEGIN").execute(&mut rival).await?;
        is_kept = session(&mut rival).await? != before;
        rivals.push(rival);
    }
    is_kept = is_kept && session_of_a_transaction(&mut first).await? == before;
    for connection in rivals.into_iter().chain([first]) {
        let _ = connection.close().await;
    }
    Ok(is_kept)
}

async fn session_of_a_transaction(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let mut unit = connection.begin().await?;
    let session = session(&mut unit).await?;
    unit.rollback().await?;
    Ok(session)
}

async fn session(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let row = ask(connection, "SELECT pg_backend_pid()".to_owned()).await?;
    row.try_get(0)
}
