//! Why the service does not start, or why it stopped.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use adapters_crypto::PoolError;
use authentication_app::ports::StoreError;
use tokio::task::JoinError;

use crate::{config::Mistakes, connections::TooFewFiles, telemetry::TelemetryError};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that turns out to be wrong when it is used.
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// A file or folder of the service cannot be created.
    #[error("{} cannot be made", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The address of a listener cannot be bound.
    #[error("cannot listen on {address} ({setting})")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The limit of open files is too low.
    #[error(transparent)]
    Files(#[from] TooFewFiles),
    /// Threads cannot be started.
    #[error("threads cannot be started")]
    Threads(#[source] io::Error),
    /// The metrics cannot be started.
    #[error("the metrics cannot be started")]
    Metrics(#[from] TelemetryError),
    /// The password hashing engine fails its self-test.
    #[error(transparent)]
    Hashing(PoolError),
    /// The database cannot be used.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The database is a replica, or its sessions are read-only.
    #[error(
        "the database takes no writes: it is a replica, or default_transaction_read_only is set; point database.url at the primary, or name all servers in it"
    )]
    ReadOnlyDatabase,
    /// The file is half restored: a restore was interrupted, or is running now.
    #[error("{} is being restored; if that was stopped half way, run the same backup restore again", .0.display())]
    BeingRestored(PathBuf),
    /// The key ring does not belong to the database.
    #[error(
        "the key ring does not open the database's service key: it is the ring of another database, or lacks a key that it still needs"
    )]
    AnotherKeyRing,
    /// Migrations are pending. In production mode the operator chooses when to migrate.
    #[error(
        "the database lacks {} of this release's migrations ({}), or does not show them to this role: run \
         fashionistar-auth migrate up (on PostgreSQL with --grant-to ROLE, as the owner of the tables)",
        .0.len(),
        .0.join(", ")
    )]
    PendingMigrations(Vec<String>),
}

impl StartError {
    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// Why the service stopped without a request to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A listener failed.
    #[error("the HTTP server ended")]
    Server(#[from] io::Error),
    /// The server panicked: a bug.
    #[error("the HTTP server panicked")]
    Panicked(#[from] JoinError),
}
