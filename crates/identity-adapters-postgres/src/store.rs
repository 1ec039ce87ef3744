//! The store as the composition root holds it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use authentication_app::ports::StoreError;
use sea_orm::{DatabaseConnection, DbBackend};
use time::OffsetDateTime;

use crate::{
    config::StoreConfig,
    error::store_error,
    pool::{self, PoolUse, Pools},
};

/// The relational store on one database.
pub struct Store {
    /// For statements that change nothing.
    pub(crate) readers: DatabaseConnection,
    /// For units of work and single writes. On PostgreSQL the same pool.
    pub(crate) writer: DatabaseConnection,
    statements: Arc<AtomicU64>,
}

impl Store {
    /// Opens the pools and makes sure that the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not answer in time; [`StoreError::Failed`] when the URL
    /// names no database that is supported.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let Pools { readers, writer } = pool::open(config).await?;
        let statements = Arc::new(AtomicU64::new(0));
        Ok(Self {
            readers: observed(readers, &statements),
            writer: observed(writer, &statements),
            statements,
        })
    }

    /// How many statements were executed so far; BEGIN, COMMIT, ROLLBACK and pings do not count.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// How the connections of each pool are used at this moment. PostgreSQL has one pool, SQLite a writer
    /// beside its readers.
    pub fn connections(&self) -> Vec<PoolUse> {
        let pools = [("readers", &self.readers), ("writer", &self.writer)];
        match self.writer.get_database_backend() {
            DbBackend::Sqlite => pools.map(|(name, pool)| pool::usage(name, pool)).to_vec(),
            _ => vec![pool::usage("all", &self.writer)],
        }
    }

    /// Whether this is the embedded engine, whose schema the service keeps up to date by itself.
    pub fn is_embedded(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Sqlite
    }

    /// The names of the migrations that this release has and the database has not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        migration::pending(&self.readers).await.map_err(store_error)
    }

    /// Applies what is pending and gives the audit trail room for the months from `now` on.
    ///
    /// # Errors
    /// [`StoreError`]; what was applied before the migration that failed stays.
    pub async fn migrate(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        migration::up(&self.writer, now).await.map_err(store_error)
    }

    /// Takes back the newest migrations, `steps` of them, with all that is in their tables.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revert_migrations(&self, steps: u32) -> Result<(), StoreError> {
        migration::down(&self.writer, Some(steps))
            .await
            .map_err(store_error)
    }

    /// Gives the audit trail room for the months from `now` on. For a service that runs for long; a
    /// migration does the same.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ensure_audit_partitions(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        migration::ensure_audit_partitions(&self.writer, now)
            .await
            .map_err(store_error)
    }

    /// Waits for the connections in use, and closes all. What is asked afterwards is
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        // Closing a pool cannot fail; what follows a failure would be the end of the process anyway.
        let _ = self.readers.close_by_ref().await;
        let _ = self.writer.close_by_ref().await;
    }
}

/// Counts statements, and tells the curious (at trace level) which: their text has placeholders, no values.
fn observed(mut db: DatabaseConnection, statements: &Arc<AtomicU64>) -> DatabaseConnection {
    let statements = Arc::clone(statements);
    db.set_metric_callback(move |info| {
        statements.fetch_add(1, Ordering::Relaxed);
        tracing::trace!(
            db.query.text = info.statement.sql,
            elapsed = ?info.elapsed,
            failed = info.failed,
            "statement"
        );
    });
    db
}
