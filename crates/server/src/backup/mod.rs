//! Backups of the database: making one, looking whether it is whole and fits, and putting it back (ADR 0053).
//!
//! A backup is one file: what the engine made (a SQLite database, or a custom-format dump of `pg_dump`), and at its
//! end what is in it with a checksum over everything. It is made under another name, for its owner alone, and gets its
//! own name only when it is whole.

mod archive;
mod create;
mod facts;
mod partial;
mod replaced;
mod restore;
mod server_tools;

use std::{io, path::PathBuf};

use authentication_app::ports::StoreError;
use identity_adapters_postgres::Server;
use secrecy::ExposeSecret as _;

use crate::{StartError, config::Config};

pub(crate) use create::create;
pub(crate) use facts::{Finding, Manifest, verify};
pub(crate) use restore::{Order, PutBack, note_restored, restore};

/// Why there is no backup, or nothing was put back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The file's own name is taken.
    #[error("{} is there already: choose another name, or say --overwrite", .0.display())]
    Taken(PathBuf),
    /// Two at once.
    #[error("{} is being written by somebody else right now", .0.display())]
    Busy(PathBuf),
    /// A file.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// It is not whole, or it does not fit.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unfit(Vec<Finding>),
    /// The engine's own checks failed on the fresh copy: the database itself is damaged.
    #[error("the database is damaged, and no backup was made of it: {0}")]
    Damaged(String),
    /// There is nothing to be copied.
    #[error("{} is not there", .0.display())]
    NoDatabase(PathBuf),
    /// Neither a file of its own nor a PostgreSQL.
    #[error("database.url names a database that is no file of its own; there is nothing to copy")]
    InMemory,
    /// Sessions are lent: what a tool sets in one stays there for a node, and a restore may lose its own half way.
    #[error(
        "a pooler is between the service and PostgreSQL: give database.url of PostgreSQL itself"
    )]
    Pooler,
    /// A pipe, a folder, a device: nothing that holds a backup.
    #[error("{} is no regular file", .0.display())]
    NoFile(PathBuf),
    /// Data would be lost.
    #[error("{0}; say --replace to put the backup in its place")]
    NotEmpty(String),
    /// Somebody uses what is to be replaced.
    #[error("{0}: stop every node, and every command that works on it")]
    InUse(String),
    /// PostgreSQL's own tools.
    #[error(
        "{tool} was not found: install the Debian package postgresql-client, or set database.tools_dir to the folder \
         that has it"
    )]
    NoTool {
        /// Its name.
        tool: &'static str,
    },
    /// One of them failed.
    #[error("{tool} failed: {said}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// What it said, without any value of a row.
        said: String,
    },
    /// `database.url` says something that the tools cannot be told.
    #[error("database.url cannot be handed to PostgreSQL's tools: {0}")]
    Url(&'static str),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// What follows a restore.
    #[error(
        "the data are in place, and what follows is not done; the next start of a node does it"
    )]
    Aftermath(#[source] StartError),
    /// The key ring, or another setting.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The configured PostgreSQL, where it is one. To be found before anything is touched.
async fn server_of(config: &Config) -> Result<Option<Server>, BackupError> {
    let database = &config.database;
    let Some(url) = database.url.as_ref().filter(|_| database.is_postgres()) else {
        return Ok(None);
    };
    let server = Server::find(url.expose_secret()).await?;
    if server.is_behind_a_pooler() {
        return Err(BackupError::Pooler);
    }
    Ok(Some(server))
}

impl BackupError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
