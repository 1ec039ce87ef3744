//! Notices by which the owner of an account says "this was not me", and changes of identifiers that can be taken
//! back.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- Only the digest of a token. previous: what an undo gives back, sealed. claimed_at: used, or made worthless.
CREATE TABLE notice_links (
    digest {bytes} NOT NULL,
    account_id {uuid} NOT NULL,
    kind text NOT NULL,
    previous {bytes},
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    claimed_at {int},
    CONSTRAINT notice_links_pkey PRIMARY KEY (digest),
    CONSTRAINT notice_links_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE,
    CONSTRAINT notice_links_digest_check CHECK (length(digest) = 32)
){table};
CREATE INDEX notice_links_account_id_idx ON notice_links (account_id, kind, created_at);
CREATE INDEX notice_links_expires_at_idx ON notice_links (expires_at);

-- Of an identifier that the account had: nobody is found by it, and until then nobody else can have it.
ALTER TABLE identifier_index ADD COLUMN reserved_until {int};
CREATE INDEX identifier_index_reserved_until_idx ON identifier_index (reserved_until)
    WHERE reserved_until IS NOT NULL;

-- Absent: when the account was made.
ALTER TABLE accounts ADD COLUMN identifier_proven_at {int};

-- Since when the password counts no more, until it is set anew.
ALTER TABLE password_credentials ADD COLUMN locked_until_reset_at {int};
";

/// Identifiers that are only reserved would be somebody's again.
const DOWN: &str = "
ALTER TABLE password_credentials DROP COLUMN locked_until_reset_at;
ALTER TABLE accounts DROP COLUMN identifier_proven_at;
DELETE FROM identifier_index WHERE reserved_until IS NOT NULL;
DROP INDEX identifier_index_reserved_until_idx;
ALTER TABLE identifier_index DROP COLUMN reserved_until;
DROP TABLE notice_links;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000016_notices"
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
