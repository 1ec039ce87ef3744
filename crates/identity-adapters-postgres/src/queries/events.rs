//! The event queue as the relay and operators use it.

use async_trait::async_trait;
use authentication_app::ports::{
    DestinationBacklog, EventQueue, Lease, LeaseRequest, LeasedEvent, ParkedEvent, ParkedSelection,
    StoreError, SwitchedOff, SwitchedOn,
};
use time::OffsetDateTime;

use super::event_lanes::{self, LANES};
use crate::{
    dialect::Dialect,
    sql::{Row, Sql},
    store::Store,
};

const DESTINATIONS: &str = "event_destinations";
const EVENTS: &str = "outbox_events";

const SERVE: &str = "INSERT INTO event_destinations (name, added_at, served_at) VALUES ($1, $2, $2) \
     ON CONFLICT (name) DO UPDATE SET served_at = excluded.served_at";

/// `$1` destination, `$2` the end of the rest.
const REST: &str = "UPDATE event_destinations SET rests_until = $2 \
     WHERE name = $1 AND coalesce(rests_until, 0) < $2";

/// `$1` destination, `$2` now, `$3` the reason.
const SWITCH_OFF: &str =
    "UPDATE event_destinations SET off_at = $2, off_reason = $3 WHERE name = $1 AND off_at IS NULL";

/// `$1` destination, `$2` now.
const SWITCH_ON: &str = "UPDATE event_destinations SET off_at = NULL, off_reason = NULL, rests_until = NULL \
     WHERE name = $1 AND (off_at IS NOT NULL OR rests_until > $2)";

/// Makes postponed lanes due that are not leased. By `event_lanes_due_idx`. `$1` destination, `$2` now.
const DUE_NOW: &str = "UPDATE event_lanes SET due_at = $2 \
     WHERE destination = $1 AND due_at > $2 AND token IS NULL";

/// By `event_lanes_parked_idx` and the primary key of `outbox_events`.
/// `$1` destination, `$2` the last sequence seen, `$3` most rows.
const LIST_PARKED: &str = "SELECT l.destination, l.parked_at, l.attempts, l.failure, \
     e.id, e.sequence, e.event_type, e.account_id, e.occurred_at \
     FROM event_lanes l JOIN outbox_events e ON e.sequence = l.only_sequence \
     WHERE l.destination = $1 AND l.due_at IS NULL AND l.only_sequence > $2 \
     ORDER BY l.only_sequence LIMIT $3";

/// By `event_lanes_parked_idx`: every name is greater than the empty string. `$1` now.
macro_rules! resend {
    () => {
        "UPDATE event_lanes SET due_at = $1, parked_at = NULL, attempts = 0, put_off = 0 \
         WHERE destination > '' AND due_at IS NULL"
    };
}

/// `$2` the id of the event.
const RESEND_ONE: &str = concat!(
    resend!(),
    " AND only_sequence = (SELECT sequence FROM outbox_events WHERE id = $2)"
);

/// By the indexes of `event_lanes`: reads as many rows as wait.
const BACKLOG: &str = "SELECT d.name, d.served_at, d.rests_until, d.off_at, d.off_reason, \
     (SELECT count(*) FROM event_lanes l WHERE l.destination = d.name AND l.due_at IS NOT NULL) AS waiting, \
     (SELECT min(l.oldest_at) FROM event_lanes l \
     WHERE l.destination = d.name AND l.due_at IS NOT NULL) AS oldest, \
     (SELECT count(*) FROM event_lanes l WHERE l.destination = d.name AND l.due_at IS NULL) AS parked \
     FROM event_destinations d WHERE d.name > '' ORDER BY d.name";

/// Rows deleted per statement: few enough that no other statement waits long for their locks.
const BATCH: u64 = 1000;

/// By `outbox_events_occurred_at_idx` and the primary key of `event_lanes`. `$1` the time before which events go.
macro_rules! purge {
    ($lock:literal) => {
        concat!(
            "WITH dead AS MATERIALIZED (SELECT e.sequence FROM outbox_events e \
             WHERE e.occurred_at < $1 AND NOT EXISTS (SELECT 1 FROM event_destinations d \
             JOIN event_lanes l ON l.destination = d.name AND l.account_id = e.account_id \
             WHERE d.name > '' AND l.delivered < e.sequence AND l.newest >= e.sequence) LIMIT 1000",
            $lock,
            ") DELETE FROM outbox_events WHERE sequence IN (SELECT sequence FROM dead)"
        )
    };
}

/// By the primary key of `event_lanes`. `$1` a name; deletes nothing while it is a destination. Waits for locked rows:
/// a skipped row would never be deleted.
macro_rules! drop_lanes {
    ($lock:literal) => {
        concat!(
            "WITH dead AS MATERIALIZED (SELECT destination, account_id, only_sequence FROM event_lanes \
             WHERE destination = $1 \
             AND NOT EXISTS (SELECT 1 FROM event_destinations d WHERE d.name = $1) \
             ORDER BY destination, account_id, only_sequence LIMIT 1000",
            $lock,
            ") DELETE FROM event_lanes WHERE (destination, account_id, only_sequence) IN \
             (SELECT destination, account_id, only_sequence FROM dead)"
        )
    };
}

/// Names that have lanes but are no longer destinations. By the primary keys: reads as many rows as there are names.
const FORGOTTEN: &str = "WITH RECURSIVE lane (destination) AS ( \
     SELECT (SELECT min(l.destination) FROM event_lanes l WHERE l.destination > '') \
     UNION ALL SELECT (SELECT min(l.destination) FROM event_lanes l \
     WHERE l.destination > lane.destination) FROM lane WHERE lane.destination IS NOT NULL) \
     SELECT destination FROM lane WHERE destination IS NOT NULL \
     AND NOT EXISTS (SELECT 1 FROM event_destinations d WHERE d.name = lane.destination)";

#[async_trait]
impl EventQueue for Store {
    #[tracing::instrument(name = "events.serve_destination", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn serve_destination(&self, name: &str, now: OffsetDateTime) -> Result<(), StoreError> {
        // Lanes left over from an earlier destination of the same name are not for this one.
        self.drop_lanes_of_none(name).await?;
        Sql::new(SERVE)
            .bind(name)
            .bind(&now)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "events.forget_destination", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn forget_destination(&self, name: &str) -> Result<bool, StoreError> {
        // First, so that nothing new is queued for it.
        let gone = Sql::new("DELETE FROM event_destinations WHERE name = $1")
            .bind(name)
            .execute(&self.writer)
            .await?;
        self.drop_lanes_of_none(name).await?;
        Ok(gone > 0)
    }

    #[tracing::instrument(name = "events.rest_destination", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn rest_destination(&self, name: &str, until: OffsetDateTime) -> Result<(), StoreError> {
        let rest = Sql::new(REST).bind(name).bind(&until);
        rest.execute(&self.writer).await?;
        Ok(())
    }

    #[tracing::instrument(name = "events.switch_destination_off", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn switch_destination_off(
        &self,
        name: &str,
        off: &SwitchedOff,
    ) -> Result<bool, StoreError> {
        let switched = Sql::new(SWITCH_OFF)
            .bind(name)
            .bind(&off.at)
            .bind(&off.reason)
            .execute(&self.writer)
            .await?;
        Ok(switched > 0)
    }

    /// Two statements, and one more if nothing was to be done.
    #[tracing::instrument(name = "events.switch_destination_on", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn switch_destination_on(
        &self,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<SwitchedOn, StoreError> {
        let about = |text| Sql::new(text).bind(name).bind(&now);
        if about(SWITCH_ON).execute(&self.writer).await? > 0 {
            about(DUE_NOW).execute(&self.writer).await?;
            return Ok(SwitchedOn::Done);
        }
        let known = Sql::new("SELECT name FROM event_destinations WHERE name = $1").bind(name);
        Ok(match known.row(&self.writer).await? {
            Some(_) => SwitchedOn::WasOn,
            None => SwitchedOn::Unknown,
        })
    }

    #[tracing::instrument(name = "events.lease_events", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn lease_events(
        &self,
        request: &LeaseRequest<'_>,
    ) -> Result<Vec<LeasedEvent>, StoreError> {
        event_lanes::lease(&self.writer, request).await
    }

    #[tracing::instrument(name = "events.finish_events", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn finish_events(
        &self,
        leases: &[Lease],
        now: OffsetDateTime,
    ) -> Result<Vec<bool>, StoreError> {
        event_lanes::finish(&self.writer, leases, now).await
    }

    #[tracing::instrument(name = "events.postpone_event", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn postpone_event(
        &self,
        lease: &Lease,
        next_attempt: OffsetDateTime,
        failure: &str,
    ) -> Result<bool, StoreError> {
        event_lanes::postpone(&self.writer, lease, next_attempt, failure).await
    }

    #[tracing::instrument(name = "events.give_event_back", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn give_event_back(
        &self,
        lease: &Lease,
        due: OffsetDateTime,
        failure: &str,
    ) -> Result<bool, StoreError> {
        event_lanes::give_back(&self.writer, lease, due, failure).await
    }

    #[tracing::instrument(name = "events.park_event", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn park_event(
        &self,
        lease: &Lease,
        attempts: u32,
        failure: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        event_lanes::park(&self.writer, lease, attempts, failure, now).await
    }

    #[tracing::instrument(name = "events.list_parked", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn list_parked_events(
        &self,
        destination: &str,
        after: i64,
        most: u32,
    ) -> Result<Vec<ParkedEvent>, StoreError> {
        let rows = Sql::new(LIST_PARKED)
            .bind(destination)
            .bind(&after)
            .bind(&most)
            .rows(&self.readers)
            .await?;
        rows.iter().map(parked_of).collect()
    }

    #[tracing::instrument(name = "events.resend_parked", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn resend_parked_events(
        &self,
        which: ParkedSelection,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let update = match which {
            ParkedSelection::All => Sql::new(resend!()).bind(&now),
            ParkedSelection::One(id) => Sql::new(RESEND_ONE).bind(&now).bind(&id),
        };
        update.execute(&self.writer).await
    }

    #[tracing::instrument(name = "events.backlog", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn event_backlog(&self) -> Result<Vec<DestinationBacklog>, StoreError> {
        let rows = Sql::new(BACKLOG).rows(&self.readers).await?;
        rows.iter().map(backlog_of).collect()
    }

    #[tracing::instrument(name = "events.purge", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn purge_events(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let text =
            Dialect::of(&self.writer).pick(purge!(" FOR UPDATE OF e SKIP LOCKED"), purge!(""));
        let mut gone = 0;
        loop {
            let batch = Sql::new(text).bind(&before).execute(&self.writer).await?;
            gone += batch;
            if batch < BATCH {
                break;
            }
        }
        // Written by units that ran while the destination was being removed.
        for forgotten in Sql::new(FORGOTTEN).rows(&self.readers).await? {
            let name: String = forgotten.get(LANES, "destination")?;
            self.drop_lanes_of_none(&name).await?;
        }
        Ok(gone)
    }
}

impl Store {
    /// Deletes the lanes of a name that is not, or no longer, a destination.
    async fn drop_lanes_of_none(&self, name: &str) -> Result<(), StoreError> {
        let text = Dialect::of(&self.writer).pick(drop_lanes!(" FOR UPDATE"), drop_lanes!(""));
        while Sql::new(text).bind(name).execute(&self.writer).await? > 0 {}
        Ok(())
    }
}

fn parked_of(row: &Row) -> Result<ParkedEvent, StoreError> {
    Ok(ParkedEvent {
        destination: row.get(LANES, "destination")?,
        id: row.get(EVENTS, "id")?,
        sequence: row.get(EVENTS, "sequence")?,
        type_name: row.get(EVENTS, "event_type")?,
        account: row.get(EVENTS, "account_id")?,
        occurred_at: row.get(EVENTS, "occurred_at")?,
        parked_at: row.get(LANES, "parked_at")?,
        attempts: row.get(LANES, "attempts")?,
        failure: row.find(LANES, "failure")?.unwrap_or_default(),
    })
}

fn off_of(row: &Row) -> Result<Option<SwitchedOff>, StoreError> {
    let Some(at) = row.find(DESTINATIONS, "off_at")? else {
        return Ok(None);
    };
    let reason = row.find(DESTINATIONS, "off_reason")?.unwrap_or_default();
    Ok(Some(SwitchedOff { at, reason }))
}

fn backlog_of(row: &Row) -> Result<DestinationBacklog, StoreError> {
    let count = |column| {
        let count: i64 = row.get(LANES, column)?;
        Ok::<_, StoreError>(count.unsigned_abs())
    };
    Ok(DestinationBacklog {
        destination: row.get(DESTINATIONS, "name")?,
        accounts_waiting: count("waiting")?,
        oldest_waiting: row.find(LANES, "oldest")?,
        parked: count("parked")?,
        served_at: row.get(DESTINATIONS, "served_at")?,
        rests_until: row.find(DESTINATIONS, "rests_until")?,
        off: off_of(row)?,
    })
}
