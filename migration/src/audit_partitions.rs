//! Partitions of the trail for the months to come.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr};
use time::OffsetDateTime;

/// Nodes that start together take turns under this key. Any number does that no other lock uses.
const TURN: i64 = 0x6661_7368_696f_6e02;

/// How many months after the current one get a partition. A service that is not restarted for longer goes
/// on with the default partition.
const MONTHS_AHEAD: u32 = 24;

/// Makes the partitions of `audit_entries` for the month of `now` and the 24 after it, where they are
/// missing. Nothing to do on SQLite. To be called after the migrations and from time to time.
///
/// Whoever does not own the trail leaves its partitions to whoever migrates: a node that may change no schema
/// starts all the same, and entries of a month without a partition go to the default one.
///
/// A month of which the default partition holds entries already stays there, with a warning in the
/// server's log: moving them would block writers for as long as it takes.
///
/// # Errors
/// [`DbErr`] when the database does not answer, or somebody holds the table for more than five seconds.
pub async fn ensure_audit_partitions<C: ConnectionTrait>(
    db: &C,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let seconds = now.unix_timestamp();
    let block = format!(
        r#"SET LOCAL statement_timeout = '60s'; DO $$
DECLARE
    this_month timestamp := date_trunc('month', to_timestamp({seconds}) AT TIME ZONE 'UTC');
    first timestamp;
    name text;
BEGIN
    IF NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'audit_entries'::regclass) THEN
        RETURN;
    END IF;
    PERFORM set_config('lock_timeout', '5s', true);
    PERFORM pg_advisory_xact_lock({TURN});
    FOR ahead IN 0..{MONTHS_AHEAD} LOOP
        first := this_month + make_interval(months => ahead);
        name := 'audit_entries_y' || to_char(first, 'YYYY"m"MM');
        IF to_regclass(name) IS NULL THEN
            BEGIN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF audit_entries FOR VALUES FROM (%s) TO (%s)',
                    name,
                    extract(epoch FROM first)::bigint * 1000000,
                    extract(epoch FROM first + interval '1 month')::bigint * 1000000
                );
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING 'the default partition holds entries that belong into %', name;
            END;
        END IF;
    END LOOP;
END
$$"#
    );
    // One message is one transaction: the setting ends with it, also where the session is somebody else's.
    db.execute_unprepared(&block).await?;
    Ok(())
}
