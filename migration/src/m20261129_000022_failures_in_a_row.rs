//! Failures in a row, over any time, and codes that are long after too many of them.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- Failures since the last success, however long ago they were.
ALTER TABLE sign_in_failures ADD COLUMN in_a_row {int} NOT NULL DEFAULT 0;
ALTER TABLE code_tries ADD COLUMN in_a_row {int} NOT NULL DEFAULT 0;
CREATE INDEX sign_in_failures_ended_idx ON sign_in_failures (since) WHERE in_a_row = 0;
CREATE INDEX code_tries_ended_idx ON code_tries (since) WHERE in_a_row = 0;
-- 'long', or NULL for six digits, as every release before sent them.
ALTER TABLE code_dispatches ADD COLUMN format text;
";

const DOWN: &str = "
ALTER TABLE code_dispatches DROP COLUMN format;
DROP INDEX code_tries_ended_idx;
DROP INDEX sign_in_failures_ended_idx;
ALTER TABLE code_tries DROP COLUMN in_a_row;
ALTER TABLE sign_in_failures DROP COLUMN in_a_row;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000022_failures_in_a_row"
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
