//! Signing in through an identity provider: identities, nonces, and flows that are under way.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- The digest is keyed and of issuer and subject; what it is made of is sealed under the person's key.
CREATE TABLE federated_identities (
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

CREATE TABLE federation_nonces (
    digest {bytes} NOT NULL,
    device_id {uuid},
    expires_at {int} NOT NULL,
    used_at {int},
    CONSTRAINT federation_nonces_pkey PRIMARY KEY (digest),
    CONSTRAINT federation_nonces_digest_check CHECK (length(digest) = 32)
){table};
CREATE INDEX federation_nonces_expires_at_idx ON federation_nonces (expires_at);

CREATE TABLE federation_flows (
    state {bytes} NOT NULL,
    binding {bytes} NOT NULL,
    payload {bytes} NOT NULL,
    expires_at {int} NOT NULL,
    claimed_at {int},
    CONSTRAINT federation_flows_pkey PRIMARY KEY (state),
    CONSTRAINT federation_flows_state_check CHECK (length(state) = 32),
    CONSTRAINT federation_flows_binding_check CHECK (length(binding) = 32)
){table};
CREATE INDEX federation_flows_expires_at_idx ON federation_flows (expires_at);
";

const DOWN: &str = "
DROP TABLE federation_flows;
DROP TABLE federation_nonces;
DROP TABLE federated_identities;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000015_federation"
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
