//! How long a message has been put off, and which destinations of events are not to be called now.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- put_off: how often a provider put it off. put_off_for: for how long in all, in microseconds.
ALTER TABLE outbox_messages ADD COLUMN put_off {int} NOT NULL DEFAULT 0;
ALTER TABLE outbox_messages ADD COLUMN put_off_for {int} NOT NULL DEFAULT 0;
-- Codes are sent before notices, however many of those are due.
CREATE INDEX outbox_messages_codes_due_idx ON outbox_messages (next_attempt_at, id)
    WHERE kind = 'code' AND next_attempt_at IS NOT NULL;

-- rests_until: it asked to be left alone until then. off_at: it wants no events (410) until an operator says
-- otherwise; off_reason: what it answered.
ALTER TABLE event_destinations ADD COLUMN rests_until {int};
ALTER TABLE event_destinations ADD COLUMN off_at {int};
ALTER TABLE event_destinations ADD COLUMN off_reason text;
";

const DOWN: &str = "
ALTER TABLE event_destinations DROP COLUMN off_reason;
ALTER TABLE event_destinations DROP COLUMN off_at;
ALTER TABLE event_destinations DROP COLUMN rests_until;
DROP INDEX outbox_messages_codes_due_idx;
ALTER TABLE outbox_messages DROP COLUMN put_off_for;
ALTER TABLE outbox_messages DROP COLUMN put_off;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261130_000026_put_off"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
