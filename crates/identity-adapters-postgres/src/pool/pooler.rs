//! What a pooler is, for operators. Nothing depends on the answer.

use std::{borrow::Cow, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, Row as _, error::DatabaseError,
    postgres::PgConnectOptions,
};
use tokio::time::timeout;

use super::servers::ask;

/// How many transactions are open at once to see whose session they get.
const RIVALS: usize = 4;

/// Something between the service and PostgreSQL that lends its sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooler {
    /// What it calls itself, with its version where it tells.
    pub name: String,
    /// Whether a connection was seen to keep its session from one transaction to the next; `None` when it could
    /// not be seen.
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

/// PgBouncer has a console that looks like a database. Whoever is not let in there learns its name all the same:
/// a PostgreSQL says that it has no such database.
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

/// A session that serves another connection's transaction while its own is connected is not kept for it.
async fn keeps_sessions(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut first = options.connect().await?;
    let before = session_of_a_transaction(&mut first).await?;
    let mut rivals = Vec::new();
    let mut is_kept = true;
    // Not one more than it takes: a small pool has no session left for them.
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
