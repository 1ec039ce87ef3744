//! Throw-away databases: a new migrated one for each test, deleted with the value.
//!
//! It knows no adapter: an adapter opens the [`TestDatabase::url`] itself. What no port exposes (the audit
//! trail, the event queue) is read here with plain SQL.

mod postgres;

use std::{future::Future, time::Duration};

use async_trait::async_trait;
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, QueryResult, Statement,
};
use tempfile::TempDir;
use tokio::time::timeout;

use self::postgres::PostgresDatabase;
use crate::{Engine, clock::START, contract::store::Inspect};

/// Time limit of each database operation, so that a test that hangs reports where.
const PATIENCE: Duration = Duration::from_mins(1);

/// The database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Folder(#[expect(dead_code, reason = "held for its Drop, which removes the folder")] TempDir),
    Server(
        #[expect(dead_code, reason = "held for its Drop, which drops the database")]
        PostgresDatabase,
    ),
}

impl TestDatabase {
    /// A migrated database of the given kind.
    ///
    /// # Panics
    /// When there is no server for it (see [`crate::servers::postgres_url`]), or it cannot be created.
    pub async fn start(engine: Engine) -> Self {
        match engine {
            Engine::Embedded => Self::sqlite().await,
            Engine::Production => Self::postgres().await,
        }
    }

    /// A migrated SQLite file.
    ///
    /// # Panics
    /// When it cannot be created.
    pub async fn sqlite() -> Self {
        let database = Self::sqlite_file();
        migrate(&database.url).await;
        database
    }

    /// A migrated database on the PostgreSQL server of the tests.
    ///
    /// # Panics
    /// When there is no server, or it cannot be created.
    pub async fn postgres() -> Self {
        Self::on_server(PostgresDatabase::migrated().await)
    }

    /// A database without tables, for tests of the migrations themselves.
    ///
    /// # Panics
    /// When there is no server for it, or it cannot be created.
    pub async fn empty(engine: Engine) -> Self {
        match engine {
            Engine::Embedded => Self::sqlite_file(),
            Engine::Production => Self::on_server(PostgresDatabase::empty().await),
        }
    }

    fn sqlite_file() -> Self {
        let folder = tempfile::tempdir().expect("a folder for a SQLite file");
        let file = folder.path().join("test.sqlite");
        Self {
            url: format!("sqlite://{}?mode=rwc", file.display()),
            place: Place::Folder(folder),
        }
    }

    fn on_server(database: PostgresDatabase) -> Self {
        Self {
            url: database.url().to_owned(),
            place: Place::Server(database),
        }
    }

    /// `sqlite://…` or `postgres://…`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The engine of the database.
    pub const fn engine(&self) -> Engine {
        match self.place {
            Place::Folder(_) => Engine::Embedded,
            Place::Server(_) => Engine::Production,
        }
    }

    /// How many rows a table has.
    ///
    /// # Panics
    /// When there is no such table.
    pub async fn count(&self, table: &str) -> i64 {
        let rows = self
            .rows(&format!("SELECT count(*) AS n FROM {table}"))
            .await;
        rows[0].try_get("", "n").expect("a count")
    }

    /// The rows that a query returns, to be read with `row.try_get("", "column")`.
    ///
    /// # Panics
    /// When the query fails, or exceeds the time limit.
    pub async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let connection = self.connect().await;
        let query = Statement::from_string(connection.get_database_backend(), sql);
        let rows = in_time(sql, connection.query_all_raw(query)).await;
        close(connection).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The number of deadlocks that PostgreSQL has resolved in this database. Terminates all other connections first,
    /// because each reports its count with a delay of up to ten seconds. Always 0 on SQLite, which has one writer at a
    /// time.
    ///
    /// # Panics
    /// When a query fails, or exceeds the time limit.
    pub async fn deadlocks(&self) -> i64 {
        if self.engine() == Engine::Embedded {
            return 0;
        }
        let others = "FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()";
        // A running service opens new connections, so the old ones are identified by their start time.
        let rows = self
            .rows(&format!(
                "SELECT CAST(now() AS text) AS at, count(pg_terminate_backend(pid)) {others}"
            ))
            .await;
        let at: String = rows[0].try_get("", "at").expect("a time");
        loop {
            let before = format!("SELECT pid {others} AND backend_start < '{at}'");
            if self.rows(&before).await.is_empty() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let counted = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        let rows = self.rows(counted).await;
        rows[0].try_get("", "deadlocks").expect("a count")
    }

    /// Runs a statement outside of all adapters, for example to tamper with rows.
    ///
    /// # Panics
    /// When it fails, or exceeds the time limit.
    pub async fn execute(&self, sql: &str) {
        let connection = self.connect().await;
        let done = in_time(sql, connection.execute_unprepared(sql)).await;
        close(connection).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// A separate connection for the test. Dropping it closes it.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn connect(&self) -> DatabaseConnection {
        connect(&self.url, 1).await
    }

    /// Locks these tables exclusively until the returned connection is dropped. PostgreSQL only.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn lock(&self, tables: &[&str]) -> DatabaseConnection {
        let connection = self.connect().await;
        let lock = format!(
            "BEGIN; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE",
            tables.join(", ")
        );
        let done = in_time(&lock, connection.execute_unprepared(&lock)).await;
        done.unwrap_or_else(|error| panic!("{lock}: {error}"));
        connection
    }
}

#[async_trait]
impl Inspect for TestDatabase {
    async fn audit_entries(&self) -> Vec<(String, String)> {
        let sql = "SELECT action, outcome FROM audit_entries ORDER BY occurred_at, id";
        let rows = self.rows(sql).await;
        rows.iter()
            .map(|row| (text(row, "action"), text(row, "outcome")))
            .collect()
    }

    async fn event_types(&self) -> Vec<String> {
        let sql = "SELECT event_type FROM outbox_events ORDER BY sequence";
        let rows = self.rows(sql).await;
        rows.iter().map(|row| text(row, "event_type")).collect()
    }

    async fn message_count(&self) -> i64 {
        self.count("outbox_messages").await
    }

    async fn session_count(&self) -> i64 {
        self.count("sessions").await
    }
}

fn text(row: &QueryResult, column: &str) -> String {
    row.try_get("", column).expect("a column of text")
}

/// A pool with at most `connections` connections.
async fn connect(url: &str, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    in_time("a connection", Database::connect(options))
        .await
        .unwrap_or_else(|error| panic!("the test database does not answer: {error}"))
}

/// With a time limit: the driver waits for connections that are being returned without one.
async fn close(connection: DatabaseConnection) {
    let closed = in_time("the end of a connection", connection.close()).await;
    closed.expect("a connection closes");
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| panic!("still not there after {PATIENCE:?}: {what}"))
}

/// Migrates as the service does. The audit partitions begin at [`START`], the time of the suites.
async fn migrate(url: &str) {
    // On PostgreSQL one connection holds the migration lock while the other migrates.
    let connection = connect(url, 2).await;
    let migrated = migration::up(&connection, START).await;
    close(connection).await;
    migrated.expect("the migrations run");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::at_once;

    crate::on_every_engine! {
        async fn a_database_is_migrated_and_nobody_elses(engine: Engine) {
            let made = at_once(6, |_| TestDatabase::start(engine)).await;
            for (number, database) in (1..).zip(&made) {
                assert_eq!(database.engine(), engine);
                assert_eq!(database.count("accounts").await, 0);
                // The statement would fail if two of them were the same database.
                database.execute("CREATE TABLE mark (number bigint)").await;
                database.execute(&format!("INSERT INTO mark VALUES ({number})")).await;
            }
            for (number, database) in (1_i64..).zip(&made) {
                let rows = database.rows("SELECT number FROM mark").await;
                let found: Vec<i64> = rows.iter().map(|row| row.try_get("", "number").unwrap()).collect();
                assert_eq!(found, [number]);
            }
        }

        async fn an_empty_database_has_no_table(engine: Engine) {
            let database = TestDatabase::empty(engine).await;
            database.execute("CREATE TABLE accounts (id bigint)").await;
            assert_eq!(database.count("accounts").await, 0);
        }

        async fn a_database_is_gone_with_its_value(engine: Engine) {
            let database = TestDatabase::empty(engine).await;
            let url = database.url().to_owned();
            let _still_connected = database.connect().await;
            drop(database);
            let again = Database::connect(ConnectOptions::new(url)).await;
            assert!(again.is_err());
        }
    }
}
