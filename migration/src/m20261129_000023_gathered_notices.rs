//! Notices that are gathered: what was told to whom and when, and what a summary tells of.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- recipient: a digest of an identifier, or the id of an account. told_at: when the last notice went, or the
-- summary that is open will go. message_id: that summary. since, acts, times, last_at: what it takes in.
CREATE TABLE notice_gatherings (
    recipient {bytes} NOT NULL,
    kind text NOT NULL,
    detail text NOT NULL,
    told_at {int} NOT NULL,
    spacing {int} NOT NULL,
    message_id {uuid},
    since {int} NOT NULL,
    acts {int} NOT NULL,
    times text NOT NULL,
    last_at {int} NOT NULL,
    CONSTRAINT notice_gatherings_pkey PRIMARY KEY (recipient, kind, detail)
){churning_table};
CREATE INDEX notice_gatherings_message_id_idx ON notice_gatherings (message_id)
    WHERE message_id IS NOT NULL;
CREATE INDEX notice_gatherings_told_at_idx ON notice_gatherings (told_at);

-- gathers_until: of a summary, when it is due. gathered: what it tells of, once it takes nothing in any more.
ALTER TABLE outbox_messages ADD COLUMN gathers_until {int};
ALTER TABLE outbox_messages ADD COLUMN gathered text;
";

const DOWN: &str = "
ALTER TABLE outbox_messages DROP COLUMN gathered;
ALTER TABLE outbox_messages DROP COLUMN gathers_until;
DROP TABLE notice_gatherings;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000023_gathered_notices"
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
