//! How often a destination did not take the next event of a lane, apart from how often it was leased.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- attempts counts leases; the difference is the leases that ended without a word of their relay.
ALTER TABLE event_lanes ADD COLUMN put_off {int} NOT NULL DEFAULT 0;
";

const DOWN: &str = "
ALTER TABLE event_lanes DROP COLUMN put_off;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261130_000030_lanes_put_off"
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
