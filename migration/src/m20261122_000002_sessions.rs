//! Sessions, and the devices that they were begun from.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
CREATE TABLE devices (
    account_id {uuid} NOT NULL,
    id {uuid} NOT NULL,
    created_at {int} NOT NULL,
    last_used_at {int} NOT NULL,
    CONSTRAINT devices_pkey PRIMARY KEY (account_id, id),
    CONSTRAINT devices_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
){table};

-- A refresh changes generation, rotated_at, last_used_at and idle_deadline: no index may hold one of them,
-- or refreshing would write every index instead of one page.
CREATE TABLE sessions (
    id {uuid} NOT NULL,
    account_id {uuid} NOT NULL,
    device_id {uuid} NOT NULL,
    refresh_key_id text NOT NULL,
    method text NOT NULL,
    origin {bytes} NOT NULL,
    created_at {int} NOT NULL,
    authenticated_at {int} NOT NULL,
    idle_micros {int} NOT NULL,
    generation {int} NOT NULL,
    rotated_at {int} NOT NULL,
    last_used_at {int} NOT NULL,
    idle_deadline {int} NOT NULL,
    absolute_deadline {int} NOT NULL,
    ended_at {int},
    end_reason text,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT sessions_end_reason_check CHECK ((ended_at IS NULL) = (end_reason IS NULL))
){churning_table};
CREATE INDEX sessions_of_account_idx ON sessions (account_id, ended_at, id);
CREATE INDEX sessions_ended_at_idx ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_absolute_deadline_idx ON sessions (absolute_deadline);
";

const DOWN: &str = "
DROP TABLE sessions;
DROP TABLE devices;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000002_sessions"
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
