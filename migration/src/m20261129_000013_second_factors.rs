//! Second factors, sign-ins that wait for one, and devices that may skip it.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- One row for an authenticator app that counts, for one that is being set up, or for both at once: what
-- counts stays untouched until the next one is confirmed. failures are those in a row.
CREATE TABLE totp_factors (
    account_id {uuid} NOT NULL,
    secret {bytes},
    confirmed_at {int},
    last_step {int},
    failures {int} NOT NULL,
    pending_secret {bytes},
    pending_at {int},
    CONSTRAINT totp_factors_pkey PRIMARY KEY (account_id),
    CONSTRAINT totp_factors_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT totp_factors_confirmed_check CHECK ((secret IS NULL) = (confirmed_at IS NULL)),
    CONSTRAINT totp_factors_pending_check CHECK ((pending_secret IS NULL) = (pending_at IS NULL))
){churning_table};

CREATE TABLE recovery_codes (
    account_id {uuid} NOT NULL,
    digest {bytes} NOT NULL,
    created_at {int} NOT NULL,
    used_at {int},
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (account_id, digest),
    CONSTRAINT recovery_codes_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT recovery_codes_digest_check CHECK (length(digest) = 32)
){table};

-- The first factor was proven on this version of the account; a change of it in between ends the sign-in.
CREATE TABLE pending_sign_ins (
    digest {bytes} NOT NULL,
    account_id {uuid} NOT NULL,
    account_version {int} NOT NULL,
    subject {bytes} NOT NULL,
    method text NOT NULL,
    came_over text,
    device_id {uuid},
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    consumed_at {int},
    tries {int} NOT NULL,
    CONSTRAINT pending_sign_ins_pkey PRIMARY KEY (digest),
    CONSTRAINT pending_sign_ins_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT pending_sign_ins_digest_check CHECK (length(digest) = 32)
){table};
CREATE INDEX pending_sign_ins_account_id_idx ON pending_sign_ins (account_id);
CREATE INDEX pending_sign_ins_expires_at_idx ON pending_sign_ins (expires_at);

ALTER TABLE sessions ADD COLUMN second_method text;
-- Until when the device skips the second factor.
ALTER TABLE devices ADD COLUMN remembered_until {int};
-- The way over which a code or a link came that set the password; NULL when its owner knew the old one.
ALTER TABLE password_credentials ADD COLUMN reset_over text;
";

const DOWN: &str = "
ALTER TABLE password_credentials DROP COLUMN reset_over;
ALTER TABLE devices DROP COLUMN remembered_until;
ALTER TABLE sessions DROP COLUMN second_method;
DROP TABLE pending_sign_ins;
DROP TABLE recovery_codes;
DROP TABLE totp_factors;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000013_second_factors"
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
