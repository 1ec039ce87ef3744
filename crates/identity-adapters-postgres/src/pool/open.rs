//! Opening the pools.

use std::{
    future::ready,
    io,
    str::FromStr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use authentication_app::ports::StoreError;
use sea_orm::{SqlxPostgresConnector, SqlxSqliteConnector};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    pool::PoolConnectionMetadata,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Pool, Way, observed,
    servers::{Missing, Path, Seen, Servers, Spot},
    watch::{Doubt, Reach, Watch},
};
use crate::{
    config::StoreConfig,
    error::{Fault, from_sqlx},
};

/// A connection that was idle for less is handed out without a check. One that was idle for longer may have been
/// dropped by the server or a firewall, and is pinged first.
const PING_AFTER_IDLE: Duration = Duration::from_secs(30);
/// Time limit of such a ping. A connection that does not answer it is closed and replaced.
const PING_AT_MOST: Duration = Duration::from_millis(500);
/// Each SQLite reader is a thread. More than these would only wait for the same disk.
const MOST_SQLITE_READERS: u32 = 8;

/// The pools for reads and for writes. They share their connections on PostgreSQL.
pub(crate) struct Pools {
    pub(crate) readers: Pool,
    pub(crate) writer: Pool,
}

/// Opens the pools; `statements` counts the statements on them.
pub(crate) async fn open(
    config: &StoreConfig,
    statements: &Arc<AtomicU64>,
) -> Result<Pools, StoreError> {
    let scheme = config.url.split(':').next().unwrap_or_default();
    match scheme {
        "postgres" | "postgresql" => open_postgres(config, statements).await,
        "sqlite" if is_in_memory(&config.url) => open_sqlite_in_memory(config, statements).await,
        "sqlite" => open_sqlite_file(config, statements).await,
        _ => Err(Fault::UnknownEngine.into()),
    }
}

async fn open_postgres(
    config: &StoreConfig,
    statements: &Arc<AtomicU64>,
) -> Result<Pools, StoreError> {
    let servers = Arc::new(Servers::of(config)?);
    let first = first_of(&servers, config).await?;
    let doubt = Arc::new(Doubt::default());
    let reach = Reach {
        servers: Arc::clone(&servers),
        patience: config.acquire_timeout,
        doubt: Arc::clone(&doubt),
    };
    let (counted, settings) = (Arc::clone(statements), config.clone());
    let open = move |spot: Spot| {
        let pool = postgres_pool(&settings, &doubt);
        let pool = keeping_sessions(pool, &servers, spot);
        let options = servers.options(spot).cloned();
        let pool = pool.connect_lazy_with(options.unwrap_or_default());
        observed(
            SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
            &counted,
        )
    };
    let watch = Watch::over(reach, first.spot, Box::new(open));
    let pool = Pool::new(Way::Server(watch), config.deadlines(), statements);
    Ok(Pools {
        readers: pool.for_reading(),
        writer: pool,
    })
}

/// The server that a command works on, outside any pool.
pub(crate) struct Found {
    /// The index of the server in the URL.
    pub(crate) number: usize,
    pub(crate) options: PgConnectOptions,
    /// Whether a pooler in between may give each transaction another session.
    pub(crate) is_pooled: bool,
}

/// Finds the server that a pool would connect to.
pub(crate) async fn find_server(config: &StoreConfig) -> Result<Found, StoreError> {
    let servers = Arc::new(Servers::of(config)?);
    let spot = first_of(&servers, config).await?.spot;
    let options = servers.plain(spot.server).cloned();
    Ok(Found {
        number: spot.server,
        options: options.ok_or(Fault::UnreadableUrl)?,
        is_pooled: spot.path == Path::Pooled,
    })
}

/// Finds the first server. Only here, at the start, the search is retried for as long as `start_timeout`.
async fn first_of(servers: &Arc<Servers>, config: &StoreConfig) -> Result<Seen, StoreError> {
    const PAUSE: Duration = Duration::from_millis(100);
    let until = Instant::now() + config.acquire_timeout.max(config.start_timeout);
    loop {
        let missing = match servers.find(until - Instant::now()).await {
            Ok(seen) => return Ok(seen),
            Err(missing) => missing,
        };
        if missing.may_pass() && until > Instant::now() + PAUSE {
            sleep(PAUSE).await;
            continue;
        }
        return Err(match missing {
            Missing::Unsuited => Fault::NoneSuits.into(),
            Missing::Refused(error) | Missing::Silent(error) => from_sqlx(&error),
        });
    }
}

/// A pool of direct sessions checks each new one: a pooler may have been put in between.
fn keeping_sessions(pool: PgPoolOptions, servers: &Arc<Servers>, spot: Spot) -> PgPoolOptions {
    if spot.path == Path::Pooled {
        return pool;
    }
    let servers = Arc::clone(servers);
    pool.after_connect(move |connection, _| {
        let servers = Arc::clone(&servers);
        Box::pin(async move {
            if servers.is_ours(connection).await? {
                return Ok(());
            }
            servers.note_pooled(spot.server);
            // Callers that wait for a connection probe the server because of this error, and get another pool.
            Err(sqlx::Error::Io(io::ErrorKind::ConnectionReset.into()))
        })
    })
}

fn postgres_pool(config: &StoreConfig, doubt: &Arc<Doubt>) -> PgPoolOptions {
    let doubt = Arc::clone(doubt);
    PgPoolOptions::new()
        .max_connections(config.max_connections.max(2))
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(move |connection, metadata| {
            let is_doubtful =
                metadata.idle_for >= PING_AFTER_IDLE || is_from_before(&metadata, &doubt);
            Box::pin(async move {
                if is_doubtful {
                    ping(connection).await?;
                }
                Ok(true)
            })
        })
}

/// Whether the connection was already idle when another one broke: then it may be broken too.
fn is_from_before(metadata: &PoolConnectionMetadata, doubt: &Doubt) -> bool {
    doubt
        .age()
        .is_some_and(|since_it_broke| metadata.idle_for >= since_it_broke)
}

async fn ping(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let silent = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
    timeout(PING_AT_MOST, connection.ping())
        .await
        .unwrap_or_else(|_| Err(silent()))
}

/// A single writer, so that units of work queue here, in order: SQLite itself lets them retry at random.
/// It opens first, because it creates the file and enables the write-ahead log, which readers need.
async fn open_sqlite_file(
    config: &StoreConfig,
    statements: &Arc<AtomicU64>,
) -> Result<Pools, StoreError> {
    let options = sqlite_options(config)?;
    let writer = sqlite_pool(config, 1)
        // SQLite rolls back the transaction when the disk is full, and the driver does not notice: further units would
        // become savepoints that are never committed, but be reported as successful. So a connection that is returned
        // while the driver still considers it in a transaction is closed and replaced.
        .before_acquire(|connection, _| Box::pin(ready(Ok(!connection.is_in_transaction()))))
        .connect_with(options.clone())
        .await
        .map_err(|error| from_sqlx(&error))?;
    let readers = sqlite_pool(config, config.max_connections.clamp(2, MOST_SQLITE_READERS))
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(|error| from_sqlx(&error))?;
    let pool = |pool| {
        let pool = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
        Pool::new(
            Way::File(observed(pool, statements)),
            config.deadlines(),
            statements,
        )
    };
    Ok(Pools {
        readers: pool(readers).for_reading(),
        writer: pool(writer),
    })
}

/// One connection for everything: the database is gone when it closes, and several connections with a shared cache
/// would refuse each other's locks instead of waiting. So a read waits while a unit of work is open.
async fn open_sqlite_in_memory(
    config: &StoreConfig,
    statements: &Arc<AtomicU64>,
) -> Result<Pools, StoreError> {
    let pool = sqlite_pool(config, 1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(sqlite_options(config)?)
        .await
        .map_err(|error| from_sqlx(&error))?;
    let pool = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool);
    let pool = Pool::new(
        Way::File(observed(pool, statements)),
        config.deadlines(),
        statements,
    );
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
        // An acknowledged commit survives a power failure.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(config.lock_timeout());
    Ok(options.disable_statement_logging())
}

fn sqlite_pool(config: &StoreConfig, connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(config.acquire_timeout)
        // A file does not close connections.
        .test_before_acquire(false)
}
