//! How to reach the database.

use std::{fmt, fs::File, sync::Arc, time::Duration};

use crate::pool::Deadlines;

/// Default of [`StoreConfig::start_timeout`].
const START_AT_LEAST: Duration = Duration::from_secs(5);

/// Where the store is and how long it may take. `Debug` shows no URL: it may hold a password.
#[derive(Clone)]
pub struct StoreConfig {
    /// `postgres://…` (see [`crate::PostgresUrl`]), `sqlite://<file>`, or `sqlite::memory:` for a database that
    /// exists as long as the [`crate::Store`].
    pub url: String,
    /// Read replicas. Nothing reads from them yet: accounts, sessions and codes never will.
    pub replica_urls: Vec<String>,
    /// Connections to PostgreSQL, or readers of a SQLite file (eight at most; the one writer is in addition). At least
    /// two. Default 16.
    pub max_connections: u32,
    /// How long a caller waits for a free connection, or on SQLite for the writer. Also how long a server may take to
    /// answer a probe. Default 2 s.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL may be unreachable, or have no free connection, when the store is opened; at least
    /// `acquire_timeout`. Default 5 s.
    pub start_timeout: Duration,
    /// The time limit of one statement on PostgreSQL. The lock timeout is half of it, and the timeout of an idle open
    /// transaction twice as long. SQLite waits half as long for another process that writes. Default 10 s.
    pub statement_timeout: Duration,
    /// Whether a detected pooler is logged at info, as nodes do. Short-lived commands set it to false, which logs it at
    /// debug. Default true.
    pub tells_of_poolers: bool,
    /// Kept open for as long as the [`crate::Store`]: a lock that the caller holds on the database.
    pub held: Option<Arc<File>>,
}

impl StoreConfig {
    /// The defaults, for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            replica_urls: Vec::new(),
            max_connections: 16,
            acquire_timeout: Duration::from_secs(2),
            start_timeout: START_AT_LEAST,
            statement_timeout: Duration::from_secs(10),
            tells_of_poolers: true,
            held: None,
        }
    }

    pub(crate) const fn deadlines(&self) -> Deadlines {
        Deadlines {
            acquire: self.acquire_timeout,
            statement: self.statement_timeout,
        }
    }

    pub(crate) fn lock_timeout(&self) -> Duration {
        self.statement_timeout / 2
    }

    pub(crate) fn idle_in_transaction_timeout(&self) -> Duration {
        self.statement_timeout * 2
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreConfig")
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("start_timeout", &self.start_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}
