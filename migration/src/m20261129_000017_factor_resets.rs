//! Second factors that are to be taken off an account whose owner lost all of them.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- Gone when it was done, or when a node noted that it was called off. reason: the number of a ticket, nothing personal. announced_at: the owner was told; the wait begins then.
CREATE TABLE factor_resets (
    account_id {uuid} NOT NULL,
    reason text NOT NULL,
    requested_at {int} NOT NULL,
    announced_at {int},
    due_at {int},
    called_off_at {int},
    CONSTRAINT factor_resets_pkey PRIMARY KEY (account_id),
    CONSTRAINT factor_resets_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT factor_resets_due_check CHECK ((announced_at IS NULL) = (due_at IS NULL))
){table};
CREATE INDEX factor_resets_due_at_idx ON factor_resets (due_at);
CREATE INDEX factor_resets_called_off_idx ON factor_resets (called_off_at) WHERE called_off_at IS NOT NULL;
CREATE INDEX factor_resets_new_idx ON factor_resets (requested_at) WHERE announced_at IS NULL;
";

const DOWN: &str = "
DROP TABLE factor_resets;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000017_factor_resets"
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
