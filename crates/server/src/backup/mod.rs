//! Backups of the database: creating, verifying and restoring them (ADR 0053).
//!
//! A backup is one file: the output of the engine (a SQLite database, or a custom-format dump of `pg_dump`),
//! followed by a manifest and a checksum over everything. It is written under a temporary name, readable by its
//! owner only, and renamed when it is complete.

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

/// Why no backup was created, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The target file exists.
    #[error("{} is there already: choose another name, or say --overwrite", .0.display())]
    Taken(PathBuf),
    /// Another process is writing the same backup.
    #[error("{} is being written by somebody else right now", .0.display())]
    Busy(PathBuf),
    /// A file cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The backup is not intact, or does not fit.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unfit(Vec<Finding>),
    /// The engine's checks failed on the fresh copy: the database itself is damaged.
    #[error("the database is damaged, and no backup was made of it: {0}")]
    Damaged(String),
    /// There is no database to copy.
    #[error("{} is not there", .0.display())]
    NoDatabase(PathBuf),
    /// The database is neither a file of its own nor PostgreSQL.
    #[error("database.url names a database that is no file of its own; there is nothing to copy")]
    InMemory,
    /// A pooler shares its sessions: a setting that a tool makes would leak to a node, and a restore could lose its
    /// session half way.
    #[error(
        "a pooler is between the service and PostgreSQL: give database.url of PostgreSQL itself"
    )]
    Pooler,
    /// A pipe, a folder or a device cannot hold a backup.
    #[error("{} is no regular file", .0.display())]
    NoFile(PathBuf),
    /// The restore would overwrite data.
    #[error("{0}; say --replace to put the backup in its place")]
    NotEmpty(String),
    /// The database to be replaced is in use.
    #[error("{0}: stop every node, and every command that works on it")]
    InUse(String),
    /// PostgreSQL's tools are not installed.
    #[error(
        "{tool} was not found: install the Debian package postgresql-client, or set database.tools_dir to the folder \
         that has it"
    )]
    NoTool {
        /// The name of the tool.
        tool: &'static str,
    },
    /// A tool failed.
    #[error("{tool} failed: {said}")]
    Tool {
        /// The name of the tool.
        tool: &'static str,
        /// Its error message, without values of rows.
        said: String,
    },
    /// `database.url` has a parameter that the tools do not support.
    #[error("database.url cannot be handed to PostgreSQL's tools: {0}")]
    Url(&'static str),
    /// The database cannot be used.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The data are restored, and a later step failed.
    #[error(
        "the data are in place, and what follows is not done; the next start of a node does it"
    )]
    Aftermath(#[source] StartError),
    /// The key ring, or another setting.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The configured PostgreSQL server, if there is one. Checked before anything is changed.
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
