//! Accounts: the person's key, identifier, password, profile and wallet.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
CREATE TABLE accounts (
    id {uuid} NOT NULL,
    sign_up_method text NOT NULL,
    identifier {bytes} NOT NULL,
    status text NOT NULL,
    status_since {int},
    roles text NOT NULL,
    version {int} NOT NULL,
    created_at {int} NOT NULL,
    updated_at {int} NOT NULL,
    CONSTRAINT accounts_pkey PRIMARY KEY (id)
){table};

-- Apart from what they open, so that they can have backups of their own and be destroyed alone.
CREATE TABLE account_keys (
    account_id {uuid} NOT NULL,
    master_key_id text NOT NULL,
    wrapped_key {bytes} NOT NULL,
    CONSTRAINT account_keys_pkey PRIMARY KEY (account_id),
    CONSTRAINT account_keys_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
){table};

-- The digest leads: it alone finds its row, whichever key made it. The account may come later in the
-- transaction, so that whoever comes second learns it from the first statement.
CREATE TABLE identifier_index (
    key_id text NOT NULL,
    digest {bytes} NOT NULL,
    account_id {uuid} NOT NULL,
    CONSTRAINT identifier_index_pkey PRIMARY KEY (digest, key_id),
    CONSTRAINT identifier_index_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT identifier_index_digest_check CHECK (length(digest) = 32)
){table};
CREATE INDEX identifier_index_account_id_idx ON identifier_index (account_id);

CREATE TABLE password_credentials (
    account_id {uuid} NOT NULL,
    password_hash text NOT NULL,
    updated_at {int} NOT NULL,
    CONSTRAINT password_credentials_pkey PRIMARY KEY (account_id),
    CONSTRAINT password_credentials_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
){table};

CREATE TABLE profiles (
    account_id {uuid} NOT NULL,
    document {bytes} NOT NULL,
    version {int} NOT NULL,
    updated_at {int} NOT NULL,
    CONSTRAINT profiles_pkey PRIMARY KEY (account_id),
    CONSTRAINT profiles_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
){table};

CREATE TABLE wallets (
    account_id {uuid} NOT NULL,
    balance_minor {int} NOT NULL,
    currency text NOT NULL,
    CONSTRAINT wallets_pkey PRIMARY KEY (account_id),
    CONSTRAINT wallets_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT wallets_balance_minor_check CHECK (balance_minor >= 0)
){table};
";

const DOWN: &str = "
DROP TABLE wallets;
DROP TABLE profiles;
DROP TABLE password_credentials;
DROP TABLE identifier_index;
DROP TABLE account_keys;
DROP TABLE accounts;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000001_accounts"
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
