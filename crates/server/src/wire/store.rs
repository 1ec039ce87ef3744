//! Opens the relational store, and migrates its schema where the service does so itself.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use adapters_crypto::SystemClock;
use authentication_app::ports::{DestinationBacklog, EventQueue as _, StoreError};
use common::Clock;
use identity_adapters_postgres::{Examination, Store, StoreConfig};
use migration::{Migrator, MigratorTrait as _};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    clock,
    embedded_file::{InUse, UnfinishedRestore},
};
use crate::{StartError, config::Config};

/// The store, ready to serve. An embedded store, and any store in development mode, is migrated; any other must be
/// migrated already.
pub(super) async fn open(config: &Config, clock: &dyn Clock) -> Result<Store, StartError> {
    let store = connect(config, User::Node).await?;
    if store.is_read_only().await? {
        return Err(StartError::ReadOnlyDatabase);
    }
    let pending = store.pending_migrations().await?;
    let migrates_itself = store.is_embedded() || !config.is_production();
    if pending.is_empty() {
        store.ensure_audit_partitions(clock.now()).await?;
    } else if migrates_itself {
        tracing::info!(count = pending.len(), "bringing the schema up to date");
        store.migrate(clock.now()).await?;
    } else {
        return Err(StartError::PendingMigrations(pending));
    }
    Ok(store)
}

/// For a command: the store, whose schema must be that of this release, and the clock of the service.
pub(crate) async fn open_migrated(
    config: &Config,
) -> Result<(Arc<Store>, Arc<dyn Clock>), StartError> {
    let store = connect(config, User::Command).await?;
    let pending = store.pending_migrations().await?;
    if !pending.is_empty() {
        return Err(StartError::PendingMigrations(pending));
    }
    let clock = clock::of_a_command(&store).await?;
    store.ensure_audit_partitions(clock.now()).await?;
    Ok((Arc::new(store), clock))
}

/// The user of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    /// A node, which serves or relays until it is stopped.
    Node,
    /// A command, which runs briefly.
    Command,
}

async fn connect(config: &Config, user: User) -> Result<Store, StartError> {
    let file = Schema::embedded_file(config);
    let held = match &file {
        Some(file) => {
            make_folder_of(file)?;
            let held = InUse::with_others(file).map_err(|error| StartError::file(file, error))?;
            if held.is_none() || UnfinishedRestore::is_there(file) {
                return Err(StartError::BeingRestored(file.clone()));
            }
            held
        }
        None => None,
    };
    let change = |settings| StoreConfig {
        held,
        tells_of_poolers: user == User::Node,
        ..settings
    };
    connect_with(config, change).await
}

/// Creates the folder of a database file, if it is the service's own.
pub(crate) fn make_folder_of(file: &Path) -> Result<(), StartError> {
    match file.parent() {
        Some(folder) if folder != Path::new("") => make_private_folder(folder),
        _ => Ok(()),
    }
}

async fn connect_with(
    config: &Config,
    change: impl FnOnce(StoreConfig) -> StoreConfig,
) -> Result<Store, StartError> {
    let database = &config.database;
    let (url, file) = if let Some(url) = &database.url {
        (url.clone(), file_of(url))
    } else {
        make_private_folder(&config.data_dir)?;
        let file = own_file(config);
        (url_of(&file), Some(file))
    };
    if let Some(file) = file {
        make_private_file(&file)?;
    }
    let replica_urls = database.replica_urls.iter();
    let settings = StoreConfig {
        replica_urls: replica_urls
            .map(|url| url.expose_secret().to_owned())
            .collect(),
        max_connections: database.max_connections,
        acquire_timeout: database.acquire_timeout,
        statement_timeout: database.statement_timeout,
        ..StoreConfig::new(url.expose_secret())
    };
    Ok(Store::connect(&change(settings)).await?)
}

/// The same settings, with `patience` as the limit of every wait for a connection.
pub(crate) fn impatient(settings: StoreConfig, patience: Duration) -> StoreConfig {
    StoreConfig {
        acquire_timeout: settings.acquire_timeout.min(patience),
        start_timeout: patience,
        ..settings
    }
}

fn own_file(config: &Config) -> PathBuf {
    config.data_dir.join("fashionistar-auth.sqlite")
}

fn url_of(file: &Path) -> SecretString {
    let path = file.display().to_string();
    format!("sqlite://{}", path.replace('%', "%25").replace('?', "%3F")).into()
}

/// The file of a SQLite URL, if its path is plain. `mode=rwc` is implied.
fn file_of(url: &SecretString) -> Option<PathBuf> {
    let file = url.expose_secret().strip_prefix("sqlite://")?;
    let file = file.strip_suffix("?mode=rwc").unwrap_or(file);
    let is_plain = !file.is_empty() && !file.contains(['?', '%', ':']);
    is_plain.then(|| PathBuf::from(file))
}

/// Creates the file with mode 0600: SQLite gives its companion files the mode of the database file.
fn make_private_file(path: &Path) -> Result<(), StartError> {
    let mut made = OpenOptions::new();
    match made.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(StartError::file(path, error))
        }
        _ => Ok(()),
    }
}

/// Creates the folder with access for its owner only, unless it exists.
pub(super) fn make_private_folder(path: &Path) -> Result<(), StartError> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| StartError::file(path, error))
}

/// The schema of the configured database, for the command that migrates it.
pub(crate) struct Schema {
    store: Store,
}

impl Schema {
    /// Connects, and changes nothing.
    pub(crate) async fn open(config: &Config) -> Result<Self, StartError> {
        let store = connect(config, User::Command).await?;
        Ok(Self { store })
    }

    /// Like `open`, with a limit for the wait.
    pub(crate) async fn open_within(
        config: &Config,
        patience: Duration,
    ) -> Result<Self, StartError> {
        let impatient = |settings| impatient(settings, patience);
        let store = connect_with(config, impatient).await?;
        Ok(Self { store })
    }

    /// The file of the embedded database, if its path is plain.
    pub(crate) fn embedded_file(config: &Config) -> Option<PathBuf> {
        match &config.database.url {
            Some(url) => file_of(url),
            None => Some(own_file(config)),
        }
    }

    /// Examines how the database is set up.
    pub(crate) async fn examine(&self) -> Result<Examination, StoreError> {
        self.store.examine(|| SystemClock.now()).await
    }

    /// The migrations of this release that are not applied, oldest first.
    pub(crate) async fn pending(&self) -> Result<Vec<String>, StoreError> {
        self.store.pending_migrations().await
    }

    /// The migrations of this release that are applied, oldest first.
    pub(crate) async fn applied(&self) -> Result<Vec<String>, StoreError> {
        let pending = self.pending().await?;
        Ok(Migrator::migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .filter(|name| !pending.contains(name))
            .collect())
    }

    /// The backlog of each event destination. The schema must be up to date.
    pub(crate) async fn destinations(&self) -> Result<Vec<DestinationBacklog>, StoreError> {
        self.store.event_backlog().await
    }

    pub(crate) async fn up(&self) -> Result<(), StoreError> {
        self.store.migrate(SystemClock.now()).await
    }

    /// Grants a role the rights that nodes need.
    pub(crate) async fn grant_to_nodes(&self, role: &str) -> Result<(), StoreError> {
        self.store.grant_to_nodes(role).await
    }

    pub(crate) async fn down(&self, steps: u32) -> Result<(), StoreError> {
        self.store.revert_migrations(steps).await
    }

    pub(crate) async fn close(self) {
        self.store.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_are_made_beforehand() {
        let of = |url: &str| file_of(&url.into());
        assert_eq!(of("sqlite:///srv/auth.db"), Some("/srv/auth.db".into()));
        assert_eq!(of("sqlite://data/auth.db"), Some("data/auth.db".into()));
        assert_eq!(of("sqlite:///a.db?mode=rwc"), Some("/a.db".into()));
        for other in [
            "sqlite://:memory:",
            "sqlite://x?mode=memory",
            "sqlite://a%3Fb",
            "postgres://u@h/d",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
