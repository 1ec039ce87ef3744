//! What must be told to others once it is true: events, and messages to people.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- In the order of `sequence`, which is the order of writing and not always that of committing.
CREATE TABLE outbox_events (
    sequence {outbox_sequence},
    id {uuid} NOT NULL,
    occurred_at {int} NOT NULL,
    event_type text NOT NULL,
    account_id {uuid} NOT NULL,
    data text NOT NULL,
    request_id text NOT NULL,
    CONSTRAINT outbox_events_id_key UNIQUE (id)
){table};

-- next_attempt_at: when it is due, or when the lease of whoever sends it ends; absent: parked.
CREATE TABLE outbox_messages (
    id {uuid} NOT NULL,
    kind text NOT NULL,
    purpose text,
    nonce {bytes},
    recipient_subject {bytes},
    recipient_account {uuid},
    typed_identifier {bytes},
    created_at {int} NOT NULL,
    request_id text NOT NULL,
    attempts {int} NOT NULL,
    next_attempt_at {int},
    CONSTRAINT outbox_messages_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_messages_recipient_check
        CHECK ((recipient_subject IS NULL) <> (recipient_account IS NULL)),
    CONSTRAINT outbox_messages_code_check CHECK ((purpose IS NULL) = (nonce IS NULL))
){table};
CREATE INDEX outbox_messages_due_idx ON outbox_messages (next_attempt_at, id)
    WHERE next_attempt_at IS NOT NULL;
";

const DOWN: &str = "
DROP TABLE outbox_messages;
DROP TABLE outbox_events;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000006_outbox"
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
