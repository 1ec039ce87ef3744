//! What was handed out under an earlier version of an account: moves of accounts in their order, and how many of
//! them each thing had seen that was handed out. And nonces that count in one session alone.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- One row for each time that an account became another version. The positions are a clock that no node keeps:
-- whatever was begun after a move was committed has seen its position.
CREATE TABLE security_moves (
    position {moves_sequence},
    account_id {uuid} NOT NULL,
    moved_at {int} NOT NULL,
    CONSTRAINT security_moves_account_id_fkey
        FOREIGN KEY (account_id) REFERENCES accounts (id) ON DELETE CASCADE
){table};
CREATE INDEX security_moves_account_id_idx ON security_moves (account_id, position);
CREATE INDEX security_moves_moved_at_idx ON security_moves (moved_at);

-- The last move there was when it was begun; 0 also where a release before this one began it.
ALTER TABLE webauthn_ceremonies ADD COLUMN moves_seen {int} NOT NULL DEFAULT 0;
ALTER TABLE federation_nonces ADD COLUMN moves_seen {int} NOT NULL DEFAULT 0;
ALTER TABLE federation_flows ADD COLUMN moves_seen {int} NOT NULL DEFAULT 0;
ALTER TABLE totp_factors ADD COLUMN moves_seen {int} NOT NULL DEFAULT 0;

-- In which session a nonce counts; NULL for one that signs in.
ALTER TABLE federation_nonces ADD COLUMN session_id {uuid};
";

/// A nonce of a session would be one that signs in.
const DOWN: &str = "
DELETE FROM federation_nonces WHERE session_id IS NOT NULL;
ALTER TABLE federation_nonces DROP COLUMN session_id;
ALTER TABLE totp_factors DROP COLUMN moves_seen;
ALTER TABLE federation_flows DROP COLUMN moves_seen;
ALTER TABLE federation_nonces DROP COLUMN moves_seen;
ALTER TABLE webauthn_ceremonies DROP COLUMN moves_seen;
DROP TABLE security_moves;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000021_security_moves"
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
