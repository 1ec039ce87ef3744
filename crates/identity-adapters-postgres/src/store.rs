//! The store, as the composition root uses it.

use std::{
    fs::File,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use authentication_app::{ports::StoreError, timekeeping::ServiceClock};
use sea_orm::DbBackend;
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::{
    config::StoreConfig,
    error::{denied_or, store_error},
    pool::{self, Condition, Pool, PoolUse, Pools},
    sql::Db as _,
};

/// Advice for a role that may not read or change the schema.
const MIGRATE_AS_OWNER: &str =
    "run fashionistar-auth migrate up --grant-to ROLE as the owner of the tables";
const AS_OWNER: &str = "do this as the owner of the tables";

/// The relational store on one database.
pub struct Store {
    /// For statements that change nothing.
    pub(crate) readers: Pool,
    /// For units of work and single writes. On PostgreSQL it shares the connections of `readers`.
    pub(crate) writer: Pool,
    statements: Arc<AtomicU64>,
    _held: Option<Arc<File>>,
    /// The node's clock, if it follows that of the server.
    pub(crate) clock: OnceLock<Arc<ServiceClock>>,
    pub(crate) events_committed: watch::Sender<()>,
}

impl Store {
    /// Opens the pools and checks that the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not answer in time; [`StoreError::Failed`] if the URL names no supported
    /// database.
    pub async fn connect(config: &StoreConfig) -> Result<Self, StoreError> {
        let statements = Arc::new(AtomicU64::new(0));
        let Pools { readers, writer } = pool::open(config, &statements).await?;
        Ok(Self {
            readers,
            writer,
            statements,
            _held: config.held.clone(),
            clock: OnceLock::new(),
            events_committed: watch::Sender::new(()),
        })
    }

    /// Changes whenever this node has committed events, so that the relay need not poll for them.
    pub fn events_committed(&self) -> watch::Receiver<()> {
        self.events_committed.subscribe()
    }

    /// How many statements were executed so far, without BEGIN, COMMIT, ROLLBACK and pings.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// How the connections of each pool are used at this moment. PostgreSQL has one pool; SQLite has one for the writer
    /// and one for the readers.
    pub fn connections(&self) -> Vec<PoolUse> {
        let pools = [("readers", &self.readers), ("writer", &self.writer)];
        if self.is_embedded() {
            pools.map(|(name, pool)| pool.usage(name)).to_vec()
        } else {
            vec![self.writer.usage("all")]
        }
    }

    /// Whether this is the embedded engine, whose schema the service migrates automatically.
    pub fn is_embedded(&self) -> bool {
        self.writer.backend() == DbBackend::Sqlite
    }

    /// The names of the migrations that this release has and the database lacks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        migration::pending(&self.readers.bare())
            .await
            .map_err(denied_or(MIGRATE_AS_OWNER))
    }

    /// Applies pending migrations, and creates partitions of the audit trail for the months from `now` on.
    ///
    /// # Errors
    /// [`StoreError`]; migrations that were applied before the failed one stay.
    pub async fn migrate(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        let database = self.writer.bare();
        migration::up(&database, now)
            .await
            .map_err(denied_or(MIGRATE_AS_OWNER))
    }

    /// Reverts the newest migrations, `steps` of them, including all data in their tables.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revert_migrations(&self, steps: u32) -> Result<(), StoreError> {
        migration::down(&self.writer.bare(), Some(steps))
            .await
            .map_err(denied_or(AS_OWNER))
    }

    /// Grants a role the privileges of nodes, and no others: nothing on the schema itself, and on the audit trail only
    /// reading and inserting. To be run as the owner of the tables, after migrating.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if there is no such role, if it is the owner, or on the embedded engine.
    pub async fn grant_to_nodes(&self, role: &str) -> Result<(), StoreError> {
        migration::grant_to_nodes(&self.writer.bare(), role)
            .await
            .map_err(denied_or(AS_OWNER))
    }

    /// Creates partitions of the audit trail for the months from `now` on, for a service that runs for a long time. A
    /// migration does the same.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ensure_audit_partitions(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        migration::ensure_audit_partitions(&self.writer.bare(), now)
            .await
            .map_err(store_error)
    }

    /// The condition of the database, determined now; takes at most about twice `patience`.
    pub async fn condition(&self, patience: Duration) -> Condition {
        self.writer.condition(patience).await
    }

    /// Whether the database takes no writes at all, determined now. The result is not remembered as its condition.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_read_only(&self) -> Result<bool, StoreError> {
        self.writer.is_read_only().await
    }

    /// The condition of the database as of the last look or failure.
    pub fn last_condition(&self) -> Condition {
        self.writer.last_condition()
    }

    /// Waits for the connections in use, and closes all. Later statements fail with
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use authentication_app::ports::{AccountQueries as _, NewAccount, UnitOfWorkFactory as _};
    use sea_orm::ConnectionTrait as _;
    use testkit::{TestDatabase, builders::new_account};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    async fn register(store: &Store, account: &NewAccount) -> Result<(), StoreError> {
        let mut unit = store.begin().await?;
        unit.accounts().insert(account).await?;
        unit.commit().await
    }

    /// SQLite's page limit stands in for that of the disk: it fails in the same place with the same code.
    async fn give_room_for(store: &Store, pages: u32) {
        let limit = format!("PRAGMA max_page_count = {pages}");
        let done = store.writer.bare().execute_unprepared(&limit).await;
        done.unwrap();
    }

    #[tokio::test]
    async fn a_file_without_room_is_read_and_not_written_until_there_is_room() {
        let database = TestDatabase::sqlite().await;
        let store = Store::connect(&StoreConfig::new(database.url()))
            .await
            .unwrap();
        let first = new_account();
        register(&store, &first).await.unwrap();
        give_room_for(&store, 1).await;
        let refused = loop {
            if let Err(error) = register(&store, &new_account()).await {
                break error;
            }
        };
        assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
        assert_eq!(store.condition(PATIENCE).await, Condition::Full);
        let found = store.find_by_subject(first.index.subject).await.unwrap();
        assert!(found.is_some());
        give_room_for(&store, 1_000_000).await;
        while store.condition(PATIENCE).await == Condition::Full {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // The failed connection is not reused: another connection sees what this one commits.
        let late = new_account();
        register(&store, &late).await.unwrap();
        let rows = database.rows("SELECT count(*) AS n FROM accounts").await;
        let before: i64 = rows[0].try_get("", "n").unwrap();
        register(&store, &new_account()).await.unwrap();
        assert_eq!(database.count("accounts").await, before + 1);
        assert!(
            store
                .find_by_subject(late.index.subject)
                .await
                .unwrap()
                .is_some()
        );
        let verdict = database.rows("PRAGMA integrity_check").await;
        assert_eq!(
            verdict[0].try_get::<String>("", "integrity_check").unwrap(),
            "ok"
        );
    }
}
