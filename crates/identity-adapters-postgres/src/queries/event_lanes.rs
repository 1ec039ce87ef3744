//! The statements behind the event queue: leasing events and recording their outcome.
//!
//! A lane holds the events of one account for one destination (`event_lanes`). The holder of its token may deliver its
//! next event; every statement that records the outcome compares the token.

use std::collections::HashSet;

use authentication_app::ports::{Lease, LeaseRequest, LeasedEvent, StoreError};
use authentication_domain::{accounts::AccountId, events::QueuedEvent};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    dialect::Dialect,
    sql::{Db, Row, Sql, tuples},
};

pub(super) const LANES: &str = "event_lanes";
const EVENTS: &str = "outbox_events";
/// `only_sequence` of the lane with all events of an account, in order.
const IN_ORDER: i64 = 0;

/// By `event_lanes_due_idx`. Leases nothing of a destination that rests or is switched off. `$1` destination, `$2` now,
/// `$3` most lanes, `$4` the end of the lease, `$5` token. MATERIALIZED: the rows are chosen, and locked, once.
macro_rules! lease {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT account_id, only_sequence FROM event_lanes \
             WHERE destination = $1 AND due_at <= $2 \
             AND EXISTS (SELECT 1 FROM event_destinations d WHERE d.name = $1 \
             AND d.off_at IS NULL AND coalesce(d.rests_until, 0) <= $2) \
             ORDER BY due_at LIMIT $3",
            $lock,
            ") UPDATE event_lanes SET due_at = $4, token = $5, attempts = attempts + 1 \
             WHERE destination = $1 AND (account_id, only_sequence) IN \
             (SELECT account_id, only_sequence FROM due) \
             RETURNING account_id, only_sequence, newest"
        )
    };
}

/// The rows just leased, by `event_lanes_due_idx`, `outbox_events_account_idx` and the primary key.
/// `$1` destination, `$2` token, `$3` the end of the lease. A statement of its own: the leasing statement may have
/// waited for a transaction that committed after it began, and would not see the events of that transaction.
const LEASED: &str = "SELECT l.account_id, l.only_sequence, l.attempts, l.put_off, e.sequence, e.id, \
     e.occurred_at, e.event_type, e.data, e.request_id \
     FROM event_lanes l JOIN outbox_events e ON e.sequence = \
     (SELECT min(x.sequence) FROM outbox_events x \
     WHERE x.account_id = l.account_id AND x.sequence > l.delivered) \
     WHERE l.destination = $1 AND l.due_at = $3 AND l.token = $2 ORDER BY e.sequence";

/// The lane of a lease, by the primary key. `$1` to `$4`: see [`of_lease`].
macro_rules! held {
    () => {
        " destination = $1 AND account_id = $2 AND only_sequence = $3 AND token = $4"
    };
}

/// Removes a lane whose events were deleted. `$5` its newest sequence.
const CLOSE_EMPTY: &str = concat!("DELETE FROM event_lanes WHERE newest = $5 AND", held!());

/// Removes finished lanes, unless an event was written meanwhile; by the primary key. [`close`] appends the rows.
const CLOSE: &str =
    "DELETE FROM event_lanes WHERE (destination, account_id, only_sequence, token, newest) IN";
const CLOSED: &str = "RETURNING account_id, only_sequence";

/// Advances the lane to its next event. `$5` the delivered sequence, `$6` now.
const ADVANCE: &str = concat!(
    "UPDATE event_lanes SET delivered = $5, due_at = $6, token = NULL, attempts = 0, put_off = 0, failure = NULL, \
     oldest_at = coalesce((SELECT e.occurred_at FROM outbox_events e \
     WHERE e.account_id = $2 AND e.sequence > $5 ORDER BY e.sequence LIMIT 1), oldest_at) WHERE",
    held!()
);

/// `$5` when it is due again, `$6` the reason.
const POSTPONE: &str = concat!(
    "UPDATE event_lanes SET due_at = $5, token = NULL, put_off = put_off + 1, failure = $6 WHERE",
    held!()
);

/// `$5` when it is due again, `$6` the reason. The lease does not count as an attempt.
const GIVE_BACK: &str = concat!(
    "UPDATE event_lanes SET due_at = $5, token = NULL, attempts = attempts - 1, failure = $6 WHERE",
    held!()
);

/// A parked lane for the one event, in addition to the lane of its account. `$5` its sequence, `$6` attempts, `$7` the
/// reason, `$8` now. It already exists if a relay died before it advanced the lane of the account.
const PARK_BESIDE: &str = concat!(
    "INSERT INTO event_lanes (destination, account_id, only_sequence, delivered, newest, oldest_at, \
     attempts, failure, parked_at) \
     SELECT destination, account_id, $5, $5 - 1, $5, oldest_at, $6, $7, $8 FROM event_lanes WHERE",
    held!(),
    " ON CONFLICT (destination, account_id, only_sequence) DO NOTHING"
);

/// Parks a lane of one event again. `$5` attempts, `$6` the reason, `$7` now.
const PARK_AGAIN: &str = concat!(
    "UPDATE event_lanes SET due_at = NULL, token = NULL, attempts = $5, failure = $6, parked_at = $7 \
     WHERE",
    held!()
);

pub(super) async fn lease(
    db: &impl Db,
    request: &LeaseRequest<'_>,
) -> Result<Vec<LeasedEvent>, StoreError> {
    let text = Dialect::of(db).pick(lease!(" FOR UPDATE SKIP LOCKED"), lease!(""));
    let lanes = Sql::new(text)
        .bind(request.destination)
        .bind(&request.now)
        .bind(&request.most)
        .bind(&request.until)
        .bind(&request.token)
        .rows(db)
        .await?;
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Sql::new(LEASED)
        .bind(request.destination)
        .bind(&request.token)
        .bind(&request.until)
        .rows(db)
        .await?;
    if rows.len() < lanes.len() {
        close_empty(db, request, &lanes, &rows).await?;
    }
    let mut leased = Vec::with_capacity(rows.len());
    for row in &rows {
        let (lease, attempts) = lease_of(row, request)?;
        match event_of(row) {
            Ok(event) => leased.push(LeasedEvent {
                lease,
                event,
                // Without this lease, which is already counted.
                attempts: attempts.saturating_sub(1),
                put_off: row.get(LANES, "put_off")?,
            }),
            // It can never be delivered, and must not hold up the events after it.
            Err(error) => {
                tracing::error!(destination = request.destination, account_id = %lease.account, %error, "an event cannot be read; it is parked");
                park(
                    db,
                    &lease,
                    attempts,
                    "what is stored cannot be read",
                    request.now,
                )
                .await?;
            }
        }
    }
    Ok(leased)
}

/// Removes leased lanes whose events were deleted.
async fn close_empty(
    db: &impl Db,
    request: &LeaseRequest<'_>,
    lanes: &[Row],
    with_event: &[Row],
) -> Result<(), StoreError> {
    let with_event: HashSet<_> = with_event.iter().map(lane_of).collect::<Result<_, _>>()?;
    for lane in lanes {
        let (account, only) = lane_of(lane)?;
        let newest: i64 = lane.get(LANES, "newest")?;
        if with_event.contains(&(account, only)) {
            continue;
        }
        tracing::warn!(destination = request.destination, account_id = %account, "events to be delivered are gone");
        Sql::new(CLOSE_EMPTY)
            .bind(request.destination)
            .bind(&account)
            .bind(&only)
            .bind(&request.token)
            .bind(&newest)
            .execute(db)
            .await?;
    }
    Ok(())
}

fn lane_of(row: &Row) -> Result<(AccountId, i64), StoreError> {
    Ok((
        row.get(LANES, "account_id")?,
        row.get(LANES, "only_sequence")?,
    ))
}

/// The lease and the number of attempts, including this one.
fn lease_of(row: &Row, request: &LeaseRequest<'_>) -> Result<(Lease, u32), StoreError> {
    let (account, only) = lane_of(row)?;
    let lease = Lease {
        destination: request.destination.to_owned(),
        account,
        sequence: row.get(EVENTS, "sequence")?,
        resent: only != IN_ORDER,
        token: request.token,
    };
    Ok((lease, row.get(LANES, "attempts")?))
}

fn event_of(row: &Row) -> Result<QueuedEvent, StoreError> {
    Ok(QueuedEvent {
        id: row.get(EVENTS, "id")?,
        sequence: row.get(EVENTS, "sequence")?,
        at: row.get(EVENTS, "occurred_at")?,
        type_name: row.get(EVENTS, "event_type")?,
        account: row.get(LANES, "account_id")?,
        data: row.get(EVENTS, "data")?,
        request_id: row.get(EVENTS, "request_id")?,
    })
}

pub(super) async fn finish(
    db: &impl Db,
    leases: &[Lease],
    now: OffsetDateTime,
) -> Result<Vec<bool>, StoreError> {
    let closed = close(db, leases).await?;
    let mut held = Vec::with_capacity(leases.len());
    for lease in leases {
        let is_through = closed.contains(&(lease.account, only_of(lease)));
        held.push(is_through || advance(db, lease, now).await?);
    }
    Ok(held)
}

/// Removes the finished lanes of these leases, and returns them.
async fn close(db: &impl Db, leases: &[Lease]) -> Result<HashSet<(AccountId, i64)>, StoreError> {
    if leases.is_empty() {
        return Ok(HashSet::new());
    }
    // Rounded up to a few lengths, because each connection prepares one statement per length. Naming a lane twice
    // closes it once.
    let rows = leases.len().next_power_of_two();
    let repeated = leases.iter().cycle().take(rows);
    let close = format!("{CLOSE} (VALUES {}) {CLOSED}", tuples(1, rows, 5));
    let rows = repeated
        .fold(Sql::over_rows(close), |sql, lease| {
            sql.bind(lease.destination.as_str())
                .bind(&lease.account)
                .bind(&only_of(lease))
                .bind(&lease.token)
                .bind(&lease.sequence)
        })
        .rows(db)
        .await?;
    rows.iter().map(lane_of).collect()
}

/// Advances a lane with all events of an account. A lane of one event does not advance.
async fn advance(db: &impl Db, lease: &Lease, now: OffsetDateTime) -> Result<bool, StoreError> {
    if lease.resent {
        return Ok(false);
    }
    let advanced = of_lease(ADVANCE, lease)
        .bind(&lease.sequence)
        .bind(&now)
        .execute(db)
        .await?;
    Ok(advanced > 0)
}

pub(super) async fn postpone(
    db: &impl Db,
    lease: &Lease,
    next_attempt: OffsetDateTime,
    failure: &str,
) -> Result<bool, StoreError> {
    let postponed = of_lease(POSTPONE, lease)
        .bind(&next_attempt)
        .bind(failure)
        .execute(db)
        .await?;
    Ok(postponed > 0)
}

pub(super) async fn give_back(
    db: &impl Db,
    lease: &Lease,
    due: OffsetDateTime,
    failure: &str,
) -> Result<bool, StoreError> {
    let given_back = of_lease(GIVE_BACK, lease)
        .bind(&due)
        .bind(failure)
        .execute(db)
        .await?;
    Ok(given_back > 0)
}

pub(super) async fn park(
    db: &impl Db,
    lease: &Lease,
    attempts: u32,
    failure: &str,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    if lease.resent {
        let parked = of_lease(PARK_AGAIN, lease)
            .bind(&attempts)
            .bind(failure)
            .bind(&now)
            .execute(db)
            .await?;
        return Ok(parked > 0);
    }
    of_lease(PARK_BESIDE, lease)
        .bind(&lease.sequence)
        .bind(&attempts)
        .bind(failure)
        .bind(&now)
        .execute(db)
        .await?;
    Ok(finish(db, std::slice::from_ref(lease), now).await? == [true])
}

fn of_lease(text: &'static str, lease: &Lease) -> Sql {
    let token: &Uuid = &lease.token;
    Sql::new(text)
        .bind(lease.destination.as_str())
        .bind(&lease.account)
        .bind(&only_of(lease))
        .bind(token)
}

const fn only_of(lease: &Lease) -> i64 {
    if lease.resent {
        lease.sequence
    } else {
        IN_ORDER
    }
}
