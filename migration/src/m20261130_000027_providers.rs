//! Several identity providers, by name: an account may be opened by one identity of each.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

/// What earlier releases write is Google's.
const POSTGRES_UP: &str = "
ALTER TABLE federation_nonces ADD COLUMN provider text NOT NULL DEFAULT 'google';
ALTER TABLE federation_flows ADD COLUMN provider text NOT NULL DEFAULT 'google';
ALTER TABLE federated_identities ADD COLUMN provider text NOT NULL DEFAULT 'google';
ALTER TABLE federated_identities
    ADD CONSTRAINT federated_identities_account_id_provider_key UNIQUE (account_id, provider);
ALTER TABLE federated_identities DROP CONSTRAINT federated_identities_account_id_key;
";

/// There one identity opens an account: Google's.
const POSTGRES_DOWN: &str = "
DELETE FROM federated_identities WHERE provider <> 'google';
ALTER TABLE federated_identities
    ADD CONSTRAINT federated_identities_account_id_key UNIQUE (account_id);
ALTER TABLE federated_identities DROP CONSTRAINT federated_identities_account_id_provider_key;
ALTER TABLE federated_identities DROP COLUMN provider;
DELETE FROM federation_flows WHERE provider <> 'google';
ALTER TABLE federation_flows DROP COLUMN provider;
DELETE FROM federation_nonces WHERE provider <> 'google';
ALTER TABLE federation_nonces DROP COLUMN provider;
";

/// SQLite changes no constraint of a table: it gets another one (its documentation, "Making Other Kinds Of Table
/// Schema Changes").
const SQLITE_UP: &str = "
ALTER TABLE federation_nonces ADD COLUMN provider text NOT NULL DEFAULT 'google';
ALTER TABLE federation_flows ADD COLUMN provider text NOT NULL DEFAULT 'google';
CREATE TABLE identities_by_provider (
    id {uuid} NOT NULL,
    account_id {uuid} NOT NULL,
    digest {bytes} NOT NULL,
    identity {bytes} NOT NULL,
    linked_at {int} NOT NULL,
    provider text NOT NULL DEFAULT 'google',
    CONSTRAINT federated_identities_pkey PRIMARY KEY (id),
    CONSTRAINT federated_identities_account_id_provider_key UNIQUE (account_id, provider),
    CONSTRAINT federated_identities_digest_key UNIQUE (digest),
    CONSTRAINT federated_identities_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT federated_identities_digest_check CHECK (length(digest) = 32)
){table};
INSERT INTO identities_by_provider (id, account_id, digest, identity, linked_at)
    SELECT id, account_id, digest, identity, linked_at FROM federated_identities;
DROP TABLE federated_identities;
ALTER TABLE identities_by_provider RENAME TO federated_identities;
";

const SQLITE_DOWN: &str = "
CREATE TABLE identities_of_one (
    id {uuid} NOT NULL,
    account_id {uuid} NOT NULL,
    digest {bytes} NOT NULL,
    identity {bytes} NOT NULL,
    linked_at {int} NOT NULL,
    CONSTRAINT federated_identities_pkey PRIMARY KEY (id),
    CONSTRAINT federated_identities_account_id_key UNIQUE (account_id),
    CONSTRAINT federated_identities_digest_key UNIQUE (digest),
    CONSTRAINT federated_identities_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT federated_identities_digest_check CHECK (length(digest) = 32)
){table};
INSERT INTO identities_of_one (id, account_id, digest, identity, linked_at)
    SELECT id, account_id, digest, identity, linked_at FROM federated_identities WHERE provider = 'google';
DROP TABLE federated_identities;
ALTER TABLE identities_of_one RENAME TO federated_identities;
DELETE FROM federation_flows WHERE provider <> 'google';
ALTER TABLE federation_flows DROP COLUMN provider;
DELETE FROM federation_nonces WHERE provider <> 'google';
ALTER TABLE federation_nonces DROP COLUMN provider;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261130_000027_providers"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run_either(manager, POSTGRES_UP, SQLITE_UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        ddl::run_either(manager, POSTGRES_DOWN, SQLITE_DOWN).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
