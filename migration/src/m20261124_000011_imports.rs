//! Who came over from another system.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

/// Without a foreign key: the row outlives its account, so that the same file brings nobody back.
const UP: &str = "
CREATE TABLE imported_users (
    legacy_id text NOT NULL,
    account_id {uuid} NOT NULL,
    fingerprint {bytes} NOT NULL,
    imported_at {int} NOT NULL,
    CONSTRAINT imported_users_pkey PRIMARY KEY (legacy_id),
    CONSTRAINT imported_users_fingerprint_check CHECK (length(fingerprint) = 32)
){table};
";

const DOWN: &str = "
DROP TABLE imported_users;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261124_000011_imports"
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
