//! What PostgreSQL's own tools do not report: the contents of a dump, and whether a database may be replaced.

use authentication_app::ports::{Restore, StoreError};
use common::clock::to_micros;
use sea_orm::DbBackend;
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions,
};
use url::Url;

use super::CopyFacts;
use crate::{
    config::StoreConfig,
    error::{Fault, from_sqlx},
    pool::find_server,
    url::PostgresUrl,
};

/// One PostgreSQL server, contacted outside the pool. All operations use this one, even if the URL names several.
pub struct Server {
    options: PgConnectOptions,
    url: Url,
    is_pooled: bool,
}

/// A snapshot of the database for a dump. It is valid as long as this value is held.
pub struct ServerCopy {
    connection: PgConnection,
    /// The snapshot id, as `pg_dump --snapshot` takes it.
    pub snapshot: String,
    /// The schema with our tables.
    pub schema: String,
    /// The contents of the database.
    pub facts: CopyFacts,
}

/// The database into which data are to be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTarget {
    /// The schema that our tables will be in.
    pub schema: String,
    /// How many tables the schema has now.
    pub tables: i64,
    /// Whether there is an `accounts` table.
    pub has_accounts: bool,
    /// How many other connections the database has.
    pub others: i64,
    /// Roles other than ours with write access to the existing tables. They lose it when the tables are replaced.
    pub writers: Vec<String>,
}

/// Only what the first `DROP` would find out too late: nothing of another owner may be in the way.
const TARGET: &str = "SELECT current_schema()::text, \
     (SELECT count(*) FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace \
      AND c.relkind IN ('r', 'p')), \
     to_regclass('accounts') IS NOT NULL, \
     (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
      AND pid <> pg_backend_pid() AND usename IS NOT NULL), \
     (SELECT coalesce(array_agg(DISTINCT r.rolname::text), '{}') FROM pg_class c \
      CROSS JOIN LATERAL aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a \
      JOIN pg_roles r ON r.oid = a.grantee \
      WHERE c.oid = to_regclass('accounts') AND a.privilege_type = 'INSERT' AND r.rolname <> current_user)";

impl Server {
    /// Finds the server that the service would use.
    ///
    /// # Errors
    /// [`StoreError`], also if none of several servers fits `target_session_attrs`.
    pub async fn find(url: &str) -> Result<Self, StoreError> {
        let found = find_server(&StoreConfig::new(url)).await?;
        let servers = PostgresUrl::parse(url).map_err(Fault::Url)?;
        let url = servers.servers().get(found.number).cloned();
        Ok(Self {
            options: found.options,
            url: url.ok_or(Fault::UnreadableUrl)?,
            is_pooled: found.is_pooled,
        })
    }

    /// Whether a pooler is in front of it: settings made on one connection may then apply to another, and a connection
    /// may not keep its session.
    pub const fn is_behind_a_pooler(&self) -> bool {
        self.is_pooled
    }

    /// The URL of this server, in the form of [`PostgresUrl::servers`]. It may contain a password: do not display it.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Takes a snapshot of the database and holds it.
    ///
    /// # Errors
    /// [`StoreError`], also if the role may not read every table.
    pub async fn hold(&self) -> Result<ServerCopy, StoreError> {
        let failed = |error: sqlx::Error| from_sqlx(&error);
        let mut connection = self.connect().await?;
        connection
            .execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                 SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0",
            )
            .await
            .map_err(failed)?;
        let (snapshot, schema) = sqlx::query_as::<_, (String, String)>(
            "SELECT pg_export_snapshot(), current_schema()::text",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
        let facts = facts_of!(&mut connection, "SELECT current_setting('server_version')")?;
        Ok(ServerCopy {
            connection,
            snapshot,
            schema,
            facts,
        })
    }

    /// Examines the database into which data are to be restored.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look_at_target(&self) -> Result<ServerTarget, StoreError> {
        let mut connection = self.connect().await?;
        let (schema, tables, has_accounts, others, writers) =
            sqlx::query_as::<_, (String, i64, bool, i64, Vec<String>)>(TARGET)
                .fetch_one(&mut connection)
                .await
                .map_err(|error| from_sqlx(&error))?;
        let _ = connection.close().await;
        Ok(ServerTarget {
            schema,
            tables,
            has_accounts,
            others,
            writers,
        })
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connected = self.options.connect().await;
        connected.map_err(|error| from_sqlx(&error))
    }

    /// The commands before the data. They open the transaction that [`Self::after_data`] commits, and drop the existing
    /// tables.
    pub fn before_data(schema: &str) -> String {
        let name = schema.replace('\'', "''");
        format!(
            "BEGIN;\nSET LOCAL lock_timeout = '30s';\nSET LOCAL statement_timeout = 0;\n\
             SET LOCAL idle_in_transaction_session_timeout = 0;\nDO $$\nDECLARE\n    made record;\nBEGIN\n    \
             FOR made IN SELECT c.oid::regclass AS name FROM pg_class c\n        \
             WHERE c.relnamespace = '{name}'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition\n        \
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')\n    \
             LOOP\n        EXECUTE format('DROP TABLE %s CASCADE', made.name);\n    END LOOP;\n    \
             FOR made IN SELECT p.oid::regprocedure AS name FROM pg_proc p\n        \
             WHERE p.pronamespace = '{name}'::regnamespace\n        \
             AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')\n    \
             LOOP\n        EXECUTE format('DROP ROUTINE %s CASCADE', made.name);\n    END LOOP;\nEND\n$$;\n"
        )
    }

    /// The commands after the data. They record the restore and commit the whole transaction.
    pub fn after_data(schema: &str, restore: &Restore) -> String {
        format!(
            "SET LOCAL search_path = \"{}\";\n{};\n\
             INSERT INTO restores (id, marked_at, keeps_sessions) VALUES ('{}', {}, {});\nCOMMIT;\n",
            schema.replace('"', "\"\""),
            migration::restores_table(DbBackend::Postgres)
                .trim_end()
                .trim_end_matches(';'),
            restore.id,
            to_micros(restore.marked_at),
            i64::from(restore.keeps_sessions),
        )
    }
}

impl ServerCopy {
    /// Releases the snapshot.
    pub async fn release(self) {
        // The transaction only read, so an error does not matter.
        let _ = self.connection.close().await;
    }
}
