//! Access to a database, with a time limit for every wait.
//!
//! | wait | at most | enforced by |
//! |---|---|---|
//! | a free connection, or the writer of SQLite | `acquire_timeout` | the pool |
//! | one statement | `statement_timeout` | PostgreSQL, set in the start-up packet or by each transaction |
//! | a lock | half of that | PostgreSQL, SQLite |
//! | one statement on a server that does not respond | [`SILENCE`] and a probe, `acquire_timeout` | [`watch`] |
//! | any call | the sum of those of a connection and a statement, and [`GRACE`] | [`Pool::within`] |

mod condition;
mod health;
mod open;
mod pooled;
mod pooler;
mod room;
mod servers;
mod unit;
mod usage;
mod watch;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use authentication_app::ports::{Outage, StoreError};
use sea_orm::{
    ConnAcquireErr, ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};
use tokio::time::{sleep, timeout};

use crate::{
    error::{Trouble, store_error},
    sql::Db,
};
pub use condition::Condition;
use health::Health;
pub(crate) use health::Look;
pub(crate) use open::{Pools, find_server, open};
use pooled::Pooled;
pub use pooler::Pooler;
use room::Room;
use servers::{Path, Spot};
pub(crate) use unit::Unit;
pub use usage::PoolUse;
use watch::Watch;

/// Longer than the server needs to cancel a statement that exceeds its own timeout.
const GRACE: Duration = Duration::from_secs(1);
/// How long a statement may go unanswered before the server is probed.
const SILENCE: Duration = Duration::from_secs(1);

/// The time limits of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    pub(crate) acquire: Duration,
    pub(crate) statement: Duration,
}

impl Deadlines {
    /// Limit for work that first takes a connection from the pool.
    fn pooled(self) -> Duration {
        self.acquire + self.on_a_connection()
    }

    /// Limit for work on a connection that is already taken.
    fn on_a_connection(self) -> Duration {
        self.statement + GRACE
    }
}

/// Connections to one database. Clones share them.
#[derive(Clone)]
pub(crate) struct Pool {
    way: Way,
    deadlines: Deadlines,
    room: Arc<Room>,
    health: Arc<Health>,
    statements: Arc<AtomicU64>,
    /// All statements on it only read, so they are repeated once if their connection breaks.
    only_reads: bool,
}

#[derive(Clone)]
enum Way {
    /// A SQLite file. It is always available: without it the service would not run.
    File(DatabaseConnection),
    Server(Arc<Watch>),
}

/// A pool of the driver, with a number: the pool of an unavailable server is replaced by the next one.
#[derive(Clone)]
pub(crate) struct Line {
    number: u64,
    connection: DatabaseConnection,
    /// The server and path it leads to; `None` for a file.
    spot: Option<Spot>,
}

/// Why there is no result.
enum Failure {
    /// The driver's reason.
    Driver(DbErr),
    /// The time limit was exceeded, or the server was found unavailable.
    GivenUp,
}

impl Pool {
    fn new(way: Way, deadlines: Deadlines, statements: &Arc<AtomicU64>) -> Self {
        Self {
            way,
            deadlines,
            room: Arc::default(),
            health: Arc::default(),
            statements: Arc::clone(statements),
            only_reads: false,
        }
    }

    fn for_reading(&self) -> Self {
        Self {
            only_reads: true,
            ..self.clone()
        }
    }

    /// The driver's pool, for operations that bring their own timeouts (migrations).
    pub(crate) fn bare(&self) -> DatabaseConnection {
        self.line().connection
    }

    pub(crate) async fn close(&self) {
        match &self.way {
            // Closing a pool cannot fail, and a failure would only precede the end of the process.
            Way::File(connection) => drop(connection.close_by_ref().await),
            Way::Server(watch) => watch.close().await,
        }
    }

    /// Takes a connection and begins a transaction on it.
    pub(crate) async fn begin(&self) -> Result<(Line, Unit), StoreError> {
        // On SQLite it takes the write lock when it begins. A transaction that begins as a reader would fail if it
        // wrote after another writer.
        let sqlite_transaction_mode =
            (self.backend() == DbBackend::Sqlite).then_some(SqliteTransactionMode::Immediate);
        // Nothing has been done yet, so a broken connection is replaced and BEGIN is repeated.
        self.ask(true, |line| async move {
            let options = TransactionOptions {
                sqlite_transaction_mode,
                ..TransactionOptions::default()
            };
            // In a task of its own, so that a cancelled caller cannot cut BEGIN short: sqlx would return the connection
            // to the pool with the transaction open, and the next user would write into it and never commit.
            let (connection, pooled) = (line.connection.clone(), self.pooled(&line));
            let begun = tokio::spawn(async move {
                match pooled {
                    Some(pooled) => pooled.begin().await.map(Unit::Pooled),
                    None => connection.begin_with_options(options).await.map(Unit::Own),
                }
            });
            // The task is only lost when the runtime shuts down.
            let closed = DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed);
            let transaction = begun.await.unwrap_or(Err(closed))?;
            Ok((line, transaction))
        })
        .await
    }

    /// Waits for a statement of a transaction that [`Self::begin`] returned with this line.
    pub(crate) async fn on_line<T>(
        &self,
        line: &Line,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, StoreError> {
        let patience = self.deadlines.on_a_connection();
        let done = self.within(line, patience, work).await;
        done.map_err(|failure| self.told(failure))
    }

    /// Records a committed write.
    pub(crate) fn note_written(&self) {
        self.room.note_written();
    }

    /// The pooler in front of the server. A direct server or a file has none and is not probed.
    pub(crate) async fn pooler(&self, patience: Duration) -> Option<Pooler> {
        let Way::Server(watch) = &self.way else {
            return None;
        };
        let spot = watch.current().spot?;
        let options = watch.servers().options(spot)?;
        match spot.path {
            Path::Direct => None,
            Path::Pooled => Some(Pooler::behind(options, patience).await),
        }
    }

    /// Executes statements on a server behind a pooler, whose sessions are not ours.
    fn pooled(&self, line: &Line) -> Option<Pooled> {
        match (&self.way, line.spot?.path) {
            (Way::Server(watch), Path::Pooled) => Some(Pooled {
                pool: line.connection.get_postgres_connection_pool().clone(),
                servers: Arc::clone(watch.servers()),
                statements: Arc::clone(&self.statements),
            }),
            _ => None,
        }
    }

    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        self.ask(true, |line| async move { line.connection.ping().await })
            .await
    }

    fn line(&self) -> Line {
        match &self.way {
            Way::File(connection) => Line {
                number: 0,
                connection: connection.clone(),
                spot: None,
            },
            Way::Server(watch) => watch.current(),
        }
    }

    /// Runs `work`, and once more on a broken connection if `harmless` says that repeating it does no harm.
    async fn ask<T, F>(&self, harmless: bool, work: impl Fn(Line) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let mut may_repeat = harmless;
        loop {
            let line = self.line();
            let asked = self
                .within(&line, self.deadlines.pooled(), work(line.clone()))
                .await;
            let failure = match asked {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = match &failure {
                // The pool was replaced while we waited for one of its connections.
                Failure::Driver(DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)) => {
                    self.line().number != line.number
                }
                Failure::Driver(error) => may_repeat && Trouble::of(error) == Trouble::Lost,
                Failure::GivenUp => false,
            };
            let error = self.told(failure);
            if !again {
                return Err(error);
            }
            may_repeat = false;
        }
    }

    /// Waits for `work`, at most for `patience` and only while the server is not found unavailable.
    async fn within<T>(
        &self,
        line: &Line,
        patience: Duration,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, Failure> {
        let Way::Server(watch) = &self.way else {
            let done = timeout(patience, work).await;
            return done.map_or(Err(Failure::GivenUp), |done| done.map_err(Failure::Driver));
        };
        let mut work = pin!(work);
        let mut is_found_away = pin!(watch.is_found_away());
        tokio::select! {
            biased;
            done = &mut work => return done.map_err(Failure::Driver),
            () = &mut is_found_away => return Err(Failure::GivenUp),
            () = sleep(SILENCE) => watch.suspect(),
        }
        tokio::select! {
            biased;
            done = &mut work => done.map_err(Failure::Driver),
            () = &mut is_found_away => Err(Failure::GivenUp),
            () = sleep(patience.saturating_sub(SILENCE)) => {
                watch.fell_silent(line.number);
                Err(Failure::GivenUp)
            }
        }
    }

    /// Maps a failure to the caller's error, and reports it to the watch and to [`Room`].
    fn told(&self, failure: Failure) -> StoreError {
        let Failure::Driver(error) = failure else {
            return StoreError::Unavailable(self.silence());
        };
        match (Trouble::of(&error), &self.way) {
            (Trouble::Lost, Way::Server(watch)) => watch.broke(),
            (Trouble::Demoted, Way::Server(watch)) => watch.was_demoted(),
            (Trouble::Unprepared, Way::Server(watch)) => watch.lost_its_session(),
            (Trouble::Full, _) => self.room.note_full(),
            (Trouble::Lost | Trouble::Demoted | Trouble::Unprepared, Way::File(_))
            | (Trouble::Other, _) => {}
        }
        match (store_error(error), &self.way) {
            // The driver retries until the time limit and does not report the errors it got.
            (StoreError::Unavailable(Outage::NoneFree), Way::Server(watch)) => {
                StoreError::Unavailable(watch.refusal().unwrap_or(Outage::NoneFree))
            }
            (error, _) => error,
        }
    }

    /// Why the wait for a result ended.
    fn silence(&self) -> Outage {
        match &self.way {
            Way::Server(watch) if watch.is_away() => watch.refusal().unwrap_or(Outage::Away),
            Way::Server(_) | Way::File(_) => Outage::Silent,
        }
    }
}

impl Db for Pool {
    fn backend(&self) -> DbBackend {
        match &self.way {
            Way::File(_) => DbBackend::Sqlite,
            Way::Server(_) => DbBackend::Postgres,
        }
    }

    async fn rows(&self, statement: Statement) -> Result<Vec<QueryResult>, StoreError> {
        let ask = |line: Line| {
            let (statement, pooled) = (statement.clone(), self.pooled(&line));
            async move {
                match pooled {
                    Some(pooled) => pooled.rows(&statement).await,
                    None => line.connection.query_all_raw(statement).await,
                }
            }
        };
        self.ask(self.only_reads, ask).await
    }

    async fn write(&self, statement: Statement) -> Result<u64, StoreError> {
        let ask = |line: Line| {
            let (statement, pooled) = (statement.clone(), self.pooled(&line));
            async move {
                if let Some(pooled) = pooled {
                    return pooled.write(&statement).await;
                }
                let done = line.connection.execute_raw(statement).await?;
                Ok(done.rows_affected())
            }
        };
        let written = self.ask(self.only_reads, ask).await?;
        if written > 0 {
            self.room.note_written();
        }
        Ok(written)
    }
}

/// Counts statements, and logs them at trace level.
fn observed(mut db: DatabaseConnection, statements: &Arc<AtomicU64>) -> DatabaseConnection {
    let statements = Arc::clone(statements);
    db.set_metric_callback(move |info| {
        statements.fetch_add(1, Ordering::Relaxed);
        tell_of_a_statement(&info.statement.sql, info.elapsed, info.failed);
    });
    db
}

/// Logs a statement at trace level. The text has placeholders, no values.
fn tell_of_a_statement(text: &str, elapsed: Duration, is_failed: bool) {
    tracing::trace!(
        db.query.text = text,
        elapsed = ?elapsed,
        failed = is_failed,
        "statement"
    );
}
