//! Opening the pools.

use std::{str::FromStr, time::Duration};

use authentication_app::ports::StoreError;
use sea_orm::{DatabaseConnection, DbBackend, SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    config::StoreConfig,
    error::{Fault, from_sqlx},
};

/// A connection that was idle for less is handed out unasked; one that was idle for longer may have been
/// dropped by the server or a firewall, and is pinged first.
const PING_AFTER_IDLE: Duration = Duration::from_secs(30);
/// Each reader of SQLite is a thread; more of them than this wait for the same disk.
const MOST_SQLITE_READERS: u32 = 8;

/// Where to read and where to write. The same pool on PostgreSQL.
pub(crate) struct Pools {
    pub(crate) readers: DatabaseConnection,
    pub(crate) writer: DatabaseConnection,
}

/// How the connections of a pool are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Which pool.
    pub name: &'static str,
    /// Connections that a statement or a unit of work has.
    pub in_use: u32,
    /// Connections that are open and wait.
    pub idle: u32,
    /// How many there may be.
    pub most: u32,
}

pub(crate) fn usage(name: &'static str, pool: &DatabaseConnection) -> PoolUse {
    let (open, idle, most) = if pool.get_database_backend() == DbBackend::Sqlite {
        let pool = pool.get_sqlite_connection_pool();
        let most = pool.options().get_max_connections();
        (pool.size(), pool.num_idle(), most)
    } else {
        let pool = pool.get_postgres_connection_pool();
        let most = pool.options().get_max_connections();
        (pool.size(), pool.num_idle(), most)
    };
    let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
    PoolUse {
        name,
        in_use: open - idle,
        idle,
        most,
    }
}

pub(crate) async fn open(config: &StoreConfig) -> Result<Pools, StoreError> {
    let scheme = config.url.split(':').next().unwrap_or_default();
    match scheme {
        "postgres" | "postgresql" => open_postgres(config).await,
        "sqlite" if is_in_memory(&config.url) => open_sqlite_in_memory(config).await,
        "sqlite" => open_sqlite_file(config).await,
        _ => Err(Fault::UnknownEngine.into()),
    }
}

async fn open_postgres(config: &StoreConfig) -> Result<Pools, StoreError> {
    let options = PgConnectOptions::from_str(&config.url)
        .map_err(|_| Fault::UnreadableUrl)?
        .disable_statement_logging();
    // As statements and not as start-up parameters, which PgBouncer refuses.
    let settings = format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = {}",
        config.statement_timeout.as_millis(),
        config.lock_timeout().as_millis(),
        config.idle_in_transaction_timeout().as_millis(),
    );
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections.max(2))
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for >= PING_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let settings = AssertSqlSafe(settings.clone());
            Box::pin(async move { connection.execute(settings).await.map(drop) })
        })
        .connect_with(options)
        .await
        .map_err(|error| from_sqlx(&error))?;
    let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    Ok(Pools {
        readers: pool.clone(),
        writer: pool,
    })
}

/// One writer, so that units of work queue here, in order, and not in SQLite, which lets them try at random.
/// It opens first: it makes the file and turns the write-ahead log on, which readers need.
async fn open_sqlite_file(config: &StoreConfig) -> Result<Pools, StoreError> {
    let options = sqlite_options(config)?;
    let writer = sqlite_pool(config, 1)
        .connect_with(options.clone())
        .await
        .map_err(|error| from_sqlx(&error))?;
    let readers = sqlite_pool(config, config.max_connections.clamp(2, MOST_SQLITE_READERS))
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(|error| from_sqlx(&error))?;
    Ok(Pools {
        readers: SqlxSqliteConnector::from_sqlx_sqlite_pool(readers),
        writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
    })
}

/// One connection for everything: the database is gone when it closes, and several that share one cache
/// would refuse each other's locks instead of waiting. So a read waits while a unit of work is open.
async fn open_sqlite_in_memory(config: &StoreConfig) -> Result<Pools, StoreError> {
    let pool = sqlite_pool(config, 1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(sqlite_options(config)?)
        .await
        .map_err(|error| from_sqlx(&error))?;
    let pool = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    Ok(Pools {
        readers: pool.clone(),
        writer: pool,
    })
}

fn is_in_memory(url: &str) -> bool {
    url.starts_with("sqlite::memory:") || url.contains("mode=memory")
}

fn sqlite_options(config: &StoreConfig) -> Result<SqliteConnectOptions, StoreError> {
    let options = SqliteConnectOptions::from_str(&config.url)
        .map_err(|_| Fault::UnreadableUrl)?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit that was answered survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(config.lock_timeout());
    Ok(options.disable_statement_logging())
}

fn sqlite_pool(config: &StoreConfig, connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.acquire_timeout)
        // A file does not hang up.
        .test_before_acquire(false)
}
