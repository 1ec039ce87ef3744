//! `database.…`: the relational store.

use std::{path::PathBuf, time::Duration};

use identity_adapters_postgres::PostgresUrl;
use secrecy::{ExposeSecret as _, SecretString};

use super::{kinds, reader::Reader};

/// The relational store, which holds the authoritative data.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `database.url`: `postgres://…`, of one server or several, or `sqlite://<file>`. Absent (default): SQLite in
    /// `data_dir`.
    pub url: Option<SecretString>,
    /// `database.replica_urls`: read replicas of PostgreSQL. Default none.
    pub replica_urls: Vec<SecretString>,
    /// `database.allow_weak_credentials`: allows production mode to start with a PostgreSQL that requires no
    /// password, or a well-known one. Default false.
    pub allow_weak_credentials: bool,
    /// `database.tools_dir`: the folder of `pg_dump`, `pg_restore` and `psql`, for backups. Default: the search
    /// path of the system.
    pub tools_dir: Option<PathBuf>,
    /// `database.max_connections`: connections of this node. Default 16.
    pub max_connections: u32,
    /// `database.acquire_timeout_seconds`: how long a request waits for a connection, and for a server that does
    /// not answer. Default 2.
    pub acquire_timeout: Duration,
    /// `database.statement_timeout_seconds`: the time limit of one statement. Default 10.
    pub statement_timeout: Duration,
}

impl DatabaseSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            url: reader.setting("database.url", kinds::database_url),
            replica_urls: reader
                .setting("database.replica_urls", kinds::list(kinds::database_url))
                .unwrap_or_default(),
            allow_weak_credentials: reader
                .setting("database.allow_weak_credentials", kinds::flag)
                .unwrap_or(false),
            tools_dir: reader.setting("database.tools_dir", kinds::path),
            max_connections: reader
                .setting("database.max_connections", kinds::number(2..=1_000))
                .unwrap_or(16),
            acquire_timeout: reader
                .setting("database.acquire_timeout_seconds", kinds::number(1..=60))
                .map_or(Duration::from_secs(2), Duration::from_secs),
            statement_timeout: reader
                .setting("database.statement_timeout_seconds", kinds::number(1..=300))
                .map_or(Duration::from_secs(10), Duration::from_secs),
        }
    }

    /// The servers in the URL of a PostgreSQL.
    pub(crate) fn servers(&self) -> Option<PostgresUrl> {
        let url = self.url.as_ref().filter(|_| self.is_postgres())?;
        PostgresUrl::parse(url.expose_secret()).ok()
    }

    /// Whether the URL requests, or permits, a server that is read-only.
    pub(super) fn asks_for_a_replica(&self) -> bool {
        self.servers().is_some_and(|url| url.wants_a_replica())
    }

    /// Whether the store is PostgreSQL and not the embedded engine.
    pub(crate) fn is_postgres(&self) -> bool {
        let url = self.url.as_ref().map(SecretString::expose_secret);
        url.is_some_and(|url| url.starts_with("postgres"))
    }
}
