//! What a restore of the database leaves to be done before anything is served, and how nodes hear of sessions that an
//! operator ended.

use async_trait::async_trait;
use sea_orm_migration::{
    MigrationName, MigrationTrait, SchemaManager,
    sea_orm::{DbBackend, DbErr},
};

use crate::ddl;

/// A restore writes it as well, into data that may be older than this migration.
const RESTORES: &str = "
-- A row for each time that the database was put back to an earlier state. While finished_at is empty nothing is
-- served: what was outstanding at marked_at is voided first.
CREATE TABLE IF NOT EXISTS restores (
    id {uuid} NOT NULL,
    marked_at {int} NOT NULL,
    keeps_sessions {int} NOT NULL,
    voided_at {int},
    finished_at {int},
    CONSTRAINT restores_pkey PRIMARY KEY (id)
){table};
";

const UP: &str = "
-- How often sessions were ended by hand: nodes that see another number forget what they remember of sessions.
ALTER TABLE service_clock ADD COLUMN revocations {int} NOT NULL DEFAULT 0;
";

const DOWN: &str = "
ALTER TABLE service_clock DROP COLUMN revocations;
DROP TABLE restores;
";

/// The table of restores, for data that may lack it.
pub(crate) fn restores_table(backend: DbBackend) -> String {
    ddl::for_engine(RESTORES, backend)
}

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261130_000029_restores"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, RESTORES).await?;
        ddl::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run(manager, DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
