//! Why the service does not start, or ends.

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
    /// A setting that shows to be wrong when it is used.
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// A file or folder of ours.
    #[error("{} cannot be made", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// The address of a listener.
    #[error("cannot listen on {address} ({setting})")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Who says so.
        setting: &'static str,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The limit of open files.
    #[error(transparent)]
    Files(#[from] TooFewFiles),
    /// Threads.
    #[error("threads cannot be started")]
    Threads(#[source] io::Error),
    /// Metrics.
    #[error("the metrics cannot be started")]
    Metrics(#[from] TelemetryError),
    /// The engine of password hashes fails its own test.
    #[error(transparent)]
    Hashing(PoolError),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// A replica, or a database whose sessions are read-only.
    #[error(
        "the database takes no writes: it is a replica, or default_transaction_read_only is set; point database.url at the primary, or name all servers in it"
    )]
    ReadOnlyDatabase,
    /// Half of it is old, or somebody replaces it right now.
    #[error("{} is being restored; if that was stopped half way, run the same backup restore again", .0.display())]
    BeingRestored(PathBuf),
    /// The key ring and the database do not belong together.
    #[error(
        "the key ring does not open the database's service key: it is the ring of another database, or lacks a key that it still needs"
    )]
    AnotherKeyRing,
    /// Production mode leaves the moment of a migration to its operator.
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

/// Why the service ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A listener failed.
    #[error("the HTTP server ended")]
    Server(#[from] io::Error),
    /// A bug.
    #[error("the HTTP server panicked")]
    Panicked(#[from] JoinError),
}
