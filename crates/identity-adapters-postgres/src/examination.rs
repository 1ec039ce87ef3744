//! An examination of the database, for operators.

use std::time::Duration;

use authentication_app::ports::StoreError;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, Statement};
use sqlx::{Row as _, postgres::PgRow};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{
    error::{from_sqlx, store_error},
    pool::{Look, Pooler},
    store::Store,
};

/// What our role may do in the schema that our tables are looked up in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaRights {
    /// Nothing: it sees no tables there.
    None,
    /// Use existing tables.
    Use,
    /// Create tables as well.
    Create,
}

/// What the database reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Engine and version.
    pub version: String,
    /// Duration of the query.
    pub round_trip: Duration,
    /// How far the database's clock is ahead of ours. The embedded engine uses our clock.
    pub clock_ahead: time::Duration,
    /// What our role may do in the schema.
    pub schema: SchemaRights,
    /// The number of months, including the current one, for which the audit trail has a partition. `None` on the
    /// embedded engine, which needs no partitions, and in a database without our tables.
    pub audit_months: Option<u32>,
    /// Whether it is a replica, which takes no writes.
    pub is_replica: bool,
    /// Whether it takes no writes, as a replica or for another reason.
    pub is_read_only: bool,
    /// Tables that our role lacks a node's privileges on, separated by commas.
    pub denied: String,
    /// The pooler between the service and PostgreSQL.
    pub pooler: Option<Pooler>,
    /// Replication lag, on a replica.
    pub behind: Duration,
    /// The server's limit of connections for all clients together. `None` on the embedded engine, which has none.
    pub most_connections: Option<u32>,
}

const OF_POSTGRES: &str = "SELECT current_setting('server_version'), \
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
    coalesce(has_schema_privilege(current_user, current_schema(), 'CREATE'), false), \
    pg_is_in_recovery(), \
    current_setting('max_connections')::int, \
    coalesce((extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000000)::bigint, 0), \
    (SELECT count(*)::int FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
     WHERE i.inhparent = to_regclass('audit_entries') AND c.relname::text COLLATE \"C\" \
     >= 'audit_entries_y' || to_char(now() AT TIME ZONE 'UTC', 'YYYY\"m\"MM')), \
    current_schema() IS NOT NULL";
const OF_SQLITE: &str = "SELECT sqlite_version()";

impl Store {
    /// Examines the database; `now` reads our clock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn examine(
        &self,
        now: impl Fn() -> OffsetDateTime,
    ) -> Result<Examination, StoreError> {
        let database = self.writer.bare();
        if database.get_database_backend() == DbBackend::Sqlite {
            return of_sqlite(&database).await.map_err(store_error);
        }
        let failed = |error| from_sqlx(&error);
        let pool = database.get_postgres_connection_pool();
        let mut connection = pool.acquire().await.map_err(failed)?;
        let look = Look::at(&mut connection).await.map_err(failed)?;
        let (asked, before) = (Instant::now(), now());
        // A single message of the simple protocol, which leaves no prepared statement in the session.
        let row = sqlx::raw_sql(OF_POSTGRES)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        let round_trip = asked.elapsed();
        drop(connection);
        // Assumes that the server answered half a round trip ago.
        let ours = before + round_trip / 2;
        let mut seen = read(&row, ours, round_trip).map_err(failed)?;
        seen.is_read_only = look.is_read_only;
        seen.denied = look.denied;
        seen.audit_months = seen.audit_months.filter(|_| look.has_tables);
        seen.pooler = self.writer.pooler(LOOK_AT_POOLER).await;
        Ok(seen)
    }
}

/// Time limit of each of the two probes of a pooler.
const LOOK_AT_POOLER: Duration = Duration::from_secs(1);

async fn of_sqlite(database: &DatabaseConnection) -> Result<Examination, DbErr> {
    let asked = Instant::now();
    let row = database
        .query_one_raw(Statement::from_string(DbBackend::Sqlite, OF_SQLITE))
        .await?;
    let round_trip = asked.elapsed();
    let nothing = || DbErr::RecordNotFound("one row".to_owned());
    let version: String = row.ok_or_else(nothing)?.try_get_by_index(0)?;
    Ok(Examination {
        version: format!("SQLite {version}"),
        round_trip,
        clock_ahead: time::Duration::ZERO,
        schema: SchemaRights::Create,
        audit_months: None,
        is_replica: false,
        is_read_only: false,
        denied: String::new(),
        pooler: None,
        behind: Duration::ZERO,
        most_connections: None,
    })
}

fn read(
    row: &PgRow,
    ours: OffsetDateTime,
    round_trip: Duration,
) -> Result<Examination, sqlx::Error> {
    let version: String = row.try_get(0)?;
    let theirs: i64 = row.try_get(1)?;
    let ours = i64::try_from(ours.unix_timestamp_nanos() / 1_000).unwrap_or(theirs);
    let most: i32 = row.try_get(4)?;
    let behind: i64 = row.try_get(5)?;
    let months: i32 = row.try_get(6)?;
    Ok(Examination {
        version: format!("PostgreSQL {version}"),
        round_trip,
        clock_ahead: time::Duration::microseconds(theirs.saturating_sub(ours)),
        schema: match (row.try_get(7)?, row.try_get(2)?) {
            (false, _) => SchemaRights::None,
            (true, false) => SchemaRights::Use,
            (true, true) => SchemaRights::Create,
        },
        audit_months: u32::try_from(months).ok(),
        is_replica: row.try_get(3)?,
        is_read_only: false,
        denied: String::new(),
        pooler: None,
        behind: Duration::from_micros(u64::try_from(behind).unwrap_or_default()),
        most_connections: u32::try_from(most).ok(),
    })
}
