//! The service's own data keys, and what was done about changed keys.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- As account_keys, for what belongs to no account: master keys wrap keys, never values.
CREATE TABLE service_keys (
    id text NOT NULL,
    master_key_id text NOT NULL,
    wrapped_key {bytes} NOT NULL,
    made_at {int} NOT NULL,
    CONSTRAINT service_keys_pkey PRIMARY KEY (id)
){table};

-- What a task did, for whoever watches. What it still has to do follows from the rows themselves.
CREATE TABLE key_tasks (
    task text NOT NULL,
    changed_rows {int} NOT NULL,
    last_at {int} NOT NULL,
    CONSTRAINT key_tasks_pkey PRIMARY KEY (task)
){table};
";

const DOWN: &str = "
DROP TABLE key_tasks;
DROP TABLE service_keys;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261124_000010_keys"
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
