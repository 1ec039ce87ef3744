//! Where the relay stands: for each destination, the accounts that have events on their way to it.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

/// Both indexes are built while writers wait, since no release relays events yet and the outbox is what a
/// trial run left in it. CONCURRENTLY would wait for ever for a second node that waits for its turn.
const TABLES: &str = "
-- Whoever gets events. One that is added gets what is written from then on.
CREATE TABLE event_destinations (
    name text NOT NULL,
    added_at {int} NOT NULL,
    served_at {int} NOT NULL,
    CONSTRAINT event_destinations_pkey PRIMARY KEY (name)
){table};

-- The events of an account, after `delivered` and up to `newest`, that a destination has not got; gone when
-- it has them all. A lane of its own, with the one event's sequence as `only_sequence` instead of 0, is for
-- an event that was taken out of the order.
-- due_at: when it is due, or when the lease of whoever delivers it ends; absent: parked.
CREATE TABLE event_lanes (
    destination text NOT NULL,
    account_id {uuid} NOT NULL,
    only_sequence {int} NOT NULL,
    delivered {int} NOT NULL,
    newest {int} NOT NULL,
    oldest_at {int} NOT NULL,
    attempts {int} NOT NULL,
    due_at {int},
    token {uuid},
    failure text,
    parked_at {int},
    CONSTRAINT event_lanes_pkey PRIMARY KEY (destination, account_id, only_sequence),
    CONSTRAINT event_lanes_parked_check CHECK ((due_at IS NULL) = (parked_at IS NOT NULL))
){churning_table};
CREATE INDEX event_lanes_due_idx ON event_lanes (destination, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX event_lanes_parked_idx ON event_lanes (destination, only_sequence)
    WHERE due_at IS NULL;

CREATE INDEX outbox_events_account_idx ON outbox_events (account_id, sequence);
CREATE INDEX outbox_events_occurred_at_idx ON outbox_events (occurred_at);
";

/// In a trigger, so that what the release before writes is delivered too. Writers of one account come here
/// one after the other; should one come out of turn all the same, its event is delivered late and not lost.
const LANES_ON_POSTGRES: &str = "
CREATE FUNCTION outbox_events_open_lanes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO event_lanes
        (destination, account_id, only_sequence, delivered, newest, oldest_at, attempts, due_at)
    SELECT name, NEW.account_id, 0, NEW.sequence - 1, NEW.sequence, NEW.occurred_at, 0, NEW.occurred_at
    FROM event_destinations ORDER BY name
    ON CONFLICT (destination, account_id, only_sequence) DO UPDATE SET
        delivered = least(event_lanes.delivered, excluded.delivered),
        newest = greatest(event_lanes.newest, excluded.newest);
    RETURN NULL;
END
$$;
CREATE TRIGGER outbox_events_lanes AFTER INSERT ON outbox_events
    FOR EACH ROW EXECUTE FUNCTION outbox_events_open_lanes();
";

const LANES_ON_SQLITE: &str = "
CREATE TRIGGER outbox_events_lanes AFTER INSERT ON outbox_events BEGIN
    INSERT INTO event_lanes
        (destination, account_id, only_sequence, delivered, newest, oldest_at, attempts, due_at)
    SELECT name, NEW.account_id, 0, NEW.sequence - 1, NEW.sequence, NEW.occurred_at, 0, NEW.occurred_at
    FROM event_destinations WHERE true
    ON CONFLICT (destination, account_id, only_sequence) DO UPDATE SET
        delivered = min(event_lanes.delivered, excluded.delivered),
        newest = max(event_lanes.newest, excluded.newest);
END;
";

const DOWN_ON_POSTGRES: &str = "
DROP TRIGGER outbox_events_lanes ON outbox_events;
DROP FUNCTION outbox_events_open_lanes();
";

const DOWN_ON_SQLITE: &str = "
DROP TRIGGER outbox_events_lanes;
";

const DOWN: &str = "
DROP INDEX outbox_events_occurred_at_idx;
DROP INDEX outbox_events_account_idx;
DROP TABLE event_lanes;
DROP TABLE event_destinations;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261124_000009_event_lanes"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let postgres = format!("{TABLES}{LANES_ON_POSTGRES}");
        let sqlite = format!("{TABLES}{LANES_ON_SQLITE}");
        ddl::run_either(manager, &postgres, &sqlite).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let postgres = format!("{DOWN_ON_POSTGRES}{DOWN}");
        let sqlite = format!("{DOWN_ON_SQLITE}{DOWN}");
        ddl::run_either(manager, &postgres, &sqlite).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
