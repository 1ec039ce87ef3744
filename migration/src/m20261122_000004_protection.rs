//! Counters of failures, guesses and messages, kept by keyed digest whether or not anybody has the identifier.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- device_id: a known device of the identifier's owner, or the nil UUID for every other.
CREATE TABLE sign_in_failures (
    subject {bytes} NOT NULL,
    device_id {uuid} NOT NULL,
    failures {int} NOT NULL,
    since {int} NOT NULL,
    locked_until {int},
    CONSTRAINT sign_in_failures_pkey PRIMARY KEY (subject, device_id)
){table};
CREATE INDEX sign_in_failures_since_idx ON sign_in_failures (since);

CREATE TABLE code_tries (
    subject {bytes} NOT NULL,
    purpose text NOT NULL,
    device_id {uuid} NOT NULL,
    tries {int} NOT NULL,
    since {int} NOT NULL,
    CONSTRAINT code_tries_pkey PRIMARY KEY (subject, purpose, device_id)
){table};
CREATE INDEX code_tries_since_idx ON code_tries (since);

-- retry_at: when the next message may go out, if the last one asked for was refused.
CREATE TABLE message_quotas (
    subject {bytes} NOT NULL,
    hour_since {int} NOT NULL,
    hour_count {int} NOT NULL,
    day_since {int} NOT NULL,
    day_count {int} NOT NULL,
    retry_at {int},
    CONSTRAINT message_quotas_pkey PRIMARY KEY (subject)
){table};
CREATE INDEX message_quotas_day_since_idx ON message_quotas (day_since);
";

const DOWN: &str = "
DROP TABLE message_quotas;
DROP TABLE code_tries;
DROP TABLE sign_in_failures;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000004_protection"
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
