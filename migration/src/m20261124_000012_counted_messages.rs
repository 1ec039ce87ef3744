//! Whether a message was counted under the ceilings over all messages.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

/// 1 once it was. How often it was leased does not tell: a worker may end before it counts.
const UP: &str = "
ALTER TABLE outbox_messages ADD COLUMN counted {int} NOT NULL DEFAULT 0;
";

const DOWN: &str = "
ALTER TABLE outbox_messages DROP COLUMN counted;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261124_000012_counted_messages"
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
