//! Messages that reach people: who holds one, whether it may be out already, why it waits for an operator,
//! and ceilings over all of them.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- lease_id: names the hold of the worker that has it. handed_over_at: a provider may have it.
ALTER TABLE outbox_messages ADD COLUMN lease_id {uuid};
ALTER TABLE outbox_messages ADD COLUMN handed_over_at {int};
ALTER TABLE outbox_messages ADD COLUMN parked_at {int};
ALTER TABLE outbox_messages ADD COLUMN parked_reason text;
CREATE INDEX outbox_messages_parked_idx ON outbox_messages (created_at, id)
    WHERE next_attempt_at IS NULL;

-- scope: a channel, or a range of numbers, with the length of the window. refused: since it was full.
CREATE TABLE message_ceilings (
    scope text NOT NULL,
    since {int} NOT NULL,
    granted {int} NOT NULL,
    refused {int} NOT NULL,
    CONSTRAINT message_ceilings_pkey PRIMARY KEY (scope)
){churning_table};
CREATE INDEX message_ceilings_since_idx ON message_ceilings (since);
";

const DOWN: &str = "
DROP TABLE message_ceilings;
DROP INDEX outbox_messages_parked_idx;
ALTER TABLE outbox_messages DROP COLUMN parked_reason;
ALTER TABLE outbox_messages DROP COLUMN parked_at;
ALTER TABLE outbox_messages DROP COLUMN handed_over_at;
ALTER TABLE outbox_messages DROP COLUMN lease_id;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261124_000008_messages"
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
