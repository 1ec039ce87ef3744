//! A look at the database, for operators.

use std::time::Duration;

use authentication_app::ports::StoreError;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, QueryResult, Statement};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{error::store_error, store::Store};

/// What the database says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Engine and version.
    pub version: String,
    /// How long the question took.
    pub round_trip: Duration,
    /// How far its clock is ahead of ours; the embedded engine has ours.
    pub clock_ahead: time::Duration,
    /// Whether our role may create tables.
    pub may_change_schema: bool,
    /// For how many months, this one included, the audit trail has a partition; the embedded engine needs none.
    pub audit_months: Option<u32>,
    /// Whether it is a replica, which takes no writes.
    pub is_replica: bool,
    /// How far a replica is behind.
    pub behind: Duration,
    /// How many connections it takes of everybody; the embedded engine does not count.
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
     >= 'audit_entries_y' || to_char(now() AT TIME ZONE 'UTC', 'YYYY\"m\"MM'))";
const OF_SQLITE: &str = "SELECT sqlite_version()";

impl Store {
    /// Asks the database how it is set up; `now` is our clock.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn examine(
        &self,
        now: impl Fn() -> OffsetDateTime,
    ) -> Result<Examination, StoreError> {
        let database = self.writer.bare();
        let backend = database.get_database_backend();
        let sql = match backend {
            DbBackend::Sqlite => OF_SQLITE,
            _ => OF_POSTGRES,
        };
        let (asked, before) = (Instant::now(), now());
        let row = database
            .query_one_raw(Statement::from_string(backend, sql))
            .await
            .map_err(store_error)?;
        let round_trip = asked.elapsed();
        let nothing = || store_error(DbErr::RecordNotFound("one row".to_owned()));
        let row = row.ok_or_else(nothing)?;
        // The answer was made half-way between the question and now.
        let ours = before + round_trip / 2;
        read(backend, &row, ours, round_trip).map_err(store_error)
    }
}

fn read(
    backend: DbBackend,
    row: &QueryResult,
    ours: OffsetDateTime,
    round_trip: Duration,
) -> Result<Examination, DbErr> {
    let version: String = row.try_get_by_index(0)?;
    if backend == DbBackend::Sqlite {
        return Ok(Examination {
            version: format!("SQLite {version}"),
            round_trip,
            clock_ahead: time::Duration::ZERO,
            may_change_schema: true,
            audit_months: None,
            is_replica: false,
            behind: Duration::ZERO,
            most_connections: None,
        });
    }
    let theirs: i64 = row.try_get_by_index(1)?;
    let ours = i64::try_from(ours.unix_timestamp_nanos() / 1_000).unwrap_or(theirs);
    let most: i32 = row.try_get_by_index(4)?;
    let behind: i64 = row.try_get_by_index(5)?;
    let months: i32 = row.try_get_by_index(6)?;
    Ok(Examination {
        version: format!("PostgreSQL {version}"),
        round_trip,
        clock_ahead: time::Duration::microseconds(theirs.saturating_sub(ours)),
        may_change_schema: row.try_get_by_index(2)?,
        audit_months: u32::try_from(months).ok(),
        is_replica: row.try_get_by_index(3)?,
        behind: Duration::from_micros(u64::try_from(behind).unwrap_or_default()),
        most_connections: u32::try_from(most).ok(),
    })
}
