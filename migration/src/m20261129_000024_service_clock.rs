//! The latest time that the service has seen, so that a clock that was set back is noticed after a restart.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- One row. set_backs counts how often the time went back, so that of many nodes one acts on it.
CREATE TABLE service_clock (
    id {int} NOT NULL,
    latest {int} NOT NULL,
    set_backs {int} NOT NULL,
    CONSTRAINT service_clock_pkey PRIMARY KEY (id),
    CONSTRAINT service_clock_id_check CHECK (id = 1)
){table};
INSERT INTO service_clock (id, latest, set_backs) VALUES (1, 0, 0);
";

const DOWN: &str = "
DROP TABLE service_clock;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000024_service_clock"
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
