//! The time that all nodes share, and the rows that follow it when it is set back (ADR 0045).

use std::{sync::Arc, time::Duration as StdDuration};

use async_trait::async_trait;
use authentication_app::{
    ports::{SharedTime, StoreError, TimeStore, UnitOfWork as _},
    timekeeping::ServiceClock,
};
use common::{Clock as _, clock::from_micros};
use time::{Duration, OffsetDateTime};
use tokio::time::{Instant, timeout};

use crate::{dialect::Dialect, error::Fault, sql::Sql, store::Store};

const TABLE: &str = "service_clock";

macro_rules! read {
    ($now:literal) => {
        concat!(
            "SELECT ",
            $now,
            " AS db_now, latest, set_backs, revocations FROM service_clock WHERE id = 1"
        )
    };
}

/// `$1` now, `$2` the number of set-backs that the node knows of.
const NOTE: &str =
    "UPDATE service_clock SET latest = $1 WHERE id = 1 AND set_backs = $2 AND latest < $1";

/// `$1` the new, earlier time, `$2` the number of set-backs before this one.
const GO_BACK: &str = "UPDATE service_clock SET latest = $1, set_backs = set_backs + 1 WHERE id = 1 AND set_backs = $2";

/// Times at which something expires, or from which its age is counted. When the time is set back, they move back with
/// it: nothing is valid for longer, and no lock or window holds for longer. What must not come too early (the waiting
/// time of a reset, a reserved identifier) stays. `$1` by how much.
const FOLLOW: [&str; 19] = [
    "UPDATE challenges SET created_at = created_at - $1, expires_at = expires_at - $1",
    "UPDATE code_dispatches SET sent_at = sent_at - $1",
    "UPDATE pending_sign_ins SET created_at = created_at - $1, expires_at = expires_at - $1",
    "UPDATE totp_factors SET pending_at = pending_at - $1 WHERE pending_at IS NOT NULL",
    "UPDATE webauthn_ceremonies SET expires_at = expires_at - $1",
    "UPDATE federation_nonces SET expires_at = expires_at - $1",
    "UPDATE federation_flows SET expires_at = expires_at - $1",
    // This also moves the time since which a link takes back what was added, so that later additions are not older.
    "UPDATE notice_links SET created_at = created_at - $1, expires_at = expires_at - $1",
    "UPDATE idempotency_records SET expires_at = expires_at - $1",
    "UPDATE devices SET remembered_until = remembered_until - $1 WHERE remembered_until IS NOT NULL",
    "UPDATE sessions SET authenticated_at = authenticated_at - $1, \
     first_proven_at = first_proven_at - $1, second_proven_at = second_proven_at - $1, \
     forgiven_at_1 = forgiven_at_1 - $1, forgiven_at_2 = forgiven_at_2 - $1, \
     forgiven_at_3 = forgiven_at_3 - $1, forgiven_at_4 = forgiven_at_4 - $1, \
     rotated_at = rotated_at - $1, idle_deadline = idle_deadline - $1, \
     absolute_deadline = absolute_deadline - $1 \
     WHERE ended_at IS NULL",
    "UPDATE sign_in_failures SET since = since - $1, locked_until = locked_until - $1",
    "UPDATE code_tries SET since = since - $1",
    "UPDATE message_quotas SET hour_since = hour_since - $1, day_since = day_since - $1, \
     retry_at = retry_at - $1",
    "UPDATE message_ceilings SET since = since - $1",
    "UPDATE notice_gatherings SET told_at = told_at - $1, since = since - $1, last_at = last_at - $1",
    // Leases and pauses, which would otherwise delay a message by as much.
    "UPDATE outbox_messages SET next_attempt_at = next_attempt_at - $1, \
     gathers_until = gathers_until - $1 WHERE next_attempt_at IS NOT NULL",
    "UPDATE event_lanes SET due_at = due_at - $1 WHERE due_at IS NOT NULL",
    "UPDATE event_destinations SET rests_until = rests_until - $1 WHERE rests_until IS NOT NULL",
];

/// A caller's time that differs from the server's by more than this is not trusted.
const OFF: Duration = Duration::seconds(2);
/// How long a caller waits for the node's clock to be corrected.
const CORRECTED_WITHIN: StdDuration = StdDuration::from_millis(500);

impl Store {
    /// From now on, time-critical statements check callers' times against this clock, which follows the server's. They
    /// are refused while it does not.
    pub fn goes_by(&self, clock: Arc<ServiceClock>) {
        if Dialect::of(&self.writer) == Dialect::Postgres {
            // A clock that is already set stays.
            let _ = self.clock.set(clock);
        }
    }

    /// How far the node's clock is known to be ahead of the server's; `None` if it does not follow that.
    pub(crate) fn ahead_of_the_server(&self) -> Option<Duration> {
        self.clock.get().map(|clock| clock.ahead())
    }

    /// Checks the time that a caller used. If it was wrong, the clock is corrected.
    ///
    /// # Errors
    /// [`StoreError::Retryable`] if it was wrong: the caller has to decide again with the correct time.
    pub(crate) async fn make_sure_of(&self, judged_at: OffsetDateTime) -> Result<(), StoreError> {
        let Some(clock) = self.clock.get() else {
            return Ok(());
        };
        let seen = self.shared_time().await?;
        let now = clock.now();
        let Some(shared) = seen.now.map(|shared| shared + seen.round_trip / 2) else {
            return Ok(());
        };
        let off = now - clock.ahead() - shared;
        if off.abs() > OFF + seen.round_trip / 2 {
            let corrected = clock.corrected();
            clock.doubt();
            // This times out only if the server is unavailable, which the next attempt finds out.
            let _ = timeout(CORRECTED_WITHIN, corrected).await;
            return Err(StoreError::Retryable);
        }
        if now - judged_at > OFF {
            return Err(StoreError::Retryable);
        }
        Ok(())
    }
}

#[async_trait]
impl TimeStore for Store {
    #[tracing::instrument(name = "service_clock.shared_time", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn shared_time(&self) -> Result<SharedTime, StoreError> {
        let text = match Dialect::of(&self.writer) {
            Dialect::Postgres => {
                read!("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            }
            Dialect::Sqlite => read!("NULL"),
        };
        let asked = Instant::now();
        let row = Sql::new(text).row(&self.writer).await?;
        let round_trip = asked.elapsed();
        // A migration inserts the row.
        let row = row.ok_or(Fault::MissingRow("the time that nodes share"))?;
        let now: Option<i64> = row.find(TABLE, "db_now")?;
        Ok(SharedTime {
            now: now.map(from_micros),
            latest: row.get(TABLE, "latest")?,
            set_backs: row.get(TABLE, "set_backs")?,
            revocations: row.get(TABLE, "revocations")?,
            round_trip,
        })
    }

    #[tracing::instrument(name = "service_clock.note_time", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn note_time(&self, now: OffsetDateTime, set_backs: i64) -> Result<(), StoreError> {
        Sql::new(NOTE)
            .bind(&now)
            .bind(&set_backs)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Twenty statements, and one more on PostgreSQL.
    #[tracing::instrument(name = "service_clock.go_back", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn go_back(
        &self,
        now: OffsetDateTime,
        by: Duration,
        set_backs: i64,
    ) -> Result<bool, StoreError> {
        let unit = self.begin_unit().await?;
        let went = Sql::new(GO_BACK)
            .bind(&now)
            .bind(&set_backs)
            .execute(&unit)
            .await?;
        if went == 0 {
            return Ok(false);
        }
        if Dialect::of(&unit) == Dialect::Postgres {
            // No time limit, for any number of sessions: it happens once, and must be complete.
            Sql::new("SET LOCAL statement_timeout = 0")
                .execute(&unit)
                .await?;
        }
        for text in FOLLOW {
            Sql::new(text).bind(&by).execute(&unit).await?;
        }
        Box::new(unit).commit().await?;
        Ok(true)
    }
}
