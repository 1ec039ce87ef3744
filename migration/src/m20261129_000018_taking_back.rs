//! What "this was not me" takes back: a notice remembers whether the account had a second factor before it.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- 1 also where it is not known: then nothing falls back to no second factor at all.
ALTER TABLE notice_links ADD COLUMN had_second_factor {int} NOT NULL DEFAULT 1;
";

const DOWN: &str = "
ALTER TABLE notice_links DROP COLUMN had_second_factor;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000018_taking_back"
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
