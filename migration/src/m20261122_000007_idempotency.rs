//! Recorded answers to requests with an `Idempotency-Key`.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
CREATE TABLE idempotency_records (
    scope {bytes} NOT NULL,
    fingerprint {bytes} NOT NULL,
    answer {bytes} NOT NULL,
    expires_at {int} NOT NULL,
    CONSTRAINT idempotency_records_pkey PRIMARY KEY (scope),
    CONSTRAINT idempotency_records_scope_check CHECK (length(scope) = 32)
){table};
CREATE INDEX idempotency_records_expires_at_idx ON idempotency_records (expires_at);
";

const DOWN: &str = "
DROP TABLE idempotency_records;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000007_idempotency"
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
