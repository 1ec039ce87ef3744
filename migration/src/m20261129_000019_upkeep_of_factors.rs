//! Whether the owner's notice of a coming reset of factors has left, and apps that were never confirmed.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- When a round found that the notice had left the queue: the wait begins then, and due_at counts from it.
ALTER TABLE factor_resets ADD COLUMN notice_left_at {int};
CREATE INDEX outbox_messages_factor_reset_idx ON outbox_messages (recipient_account)
    WHERE kind = 'factor_reset_announced';
CREATE INDEX totp_factors_unconfirmed_idx ON totp_factors (pending_at) WHERE secret IS NULL;
";

const DOWN: &str = "
DROP INDEX totp_factors_unconfirmed_idx;
DROP INDEX outbox_messages_factor_reset_idx;
ALTER TABLE factor_resets DROP COLUMN notice_left_at;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000019_upkeep_of_factors"
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
