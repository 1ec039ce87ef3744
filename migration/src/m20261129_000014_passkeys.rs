//! Passkeys, and the ceremonies in which they are enrolled and used.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- The counter is beside the sealed credential, and not in it: a use is noted on the counter that it was judged
-- on, and on no other.
CREATE TABLE passkeys (
    id {uuid} NOT NULL,
    account_id {uuid} NOT NULL,
    credential_digest {bytes} NOT NULL,
    credential {bytes} NOT NULL,
    name {bytes},
    counter {int} NOT NULL,
    created_at {int} NOT NULL,
    last_used_at {int},
    CONSTRAINT passkeys_pkey PRIMARY KEY (id),
    CONSTRAINT passkeys_credential_digest_key UNIQUE (credential_digest),
    CONSTRAINT passkeys_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT passkeys_credential_digest_check CHECK (length(credential_digest) = 32)
){table};
CREATE INDEX passkeys_account_id_idx ON passkeys (account_id);

-- In each pair of hands one for a purpose, the newest. Nobody is known yet when somebody signs in.
CREATE TABLE webauthn_ceremonies (
    holder {bytes} NOT NULL,
    purpose text NOT NULL,
    id {uuid} NOT NULL,
    account_id {uuid},
    state {bytes} NOT NULL,
    expires_at {int} NOT NULL,
    consumed_at {int},
    CONSTRAINT webauthn_ceremonies_pkey PRIMARY KEY (holder, purpose),
    CONSTRAINT webauthn_ceremonies_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT webauthn_ceremonies_holder_check CHECK (length(holder) = 32)
){table};
CREATE INDEX webauthn_ceremonies_expires_at_idx ON webauthn_ceremonies (expires_at);
CREATE INDEX webauthn_ceremonies_account_id_idx ON webauthn_ceremonies (account_id)
    WHERE account_id IS NOT NULL;
";

const DOWN: &str = "
DROP TABLE webauthn_ceremonies;
DROP TABLE passkeys;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000014_passkeys"
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
