//! One-time codes: what clients hold (challenges), and what was sent (dispatches).

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- No account: a challenge for an identifier that nobody has is a row like any other. The digests find the
-- account when the code is proven: under the current index key, and under a second one while keys change.
CREATE TABLE challenges (
    digest {bytes} NOT NULL,
    subject {bytes} NOT NULL,
    index_digest {bytes} NOT NULL,
    second_index_digest {bytes},
    purpose text NOT NULL,
    channel text NOT NULL,
    payload {bytes} NOT NULL,
    created_at {int} NOT NULL,
    expires_at {int} NOT NULL,
    consumed_at {int},
    tries {int} NOT NULL,
    CONSTRAINT challenges_pkey PRIMARY KEY (digest),
    CONSTRAINT challenges_digest_check CHECK (length(digest) = 32)
){table};
CREATE INDEX challenges_expires_at_idx ON challenges (expires_at);

-- The newest sending to a recipient for a purpose; the code follows from its nonce under a server key.
CREATE TABLE code_dispatches (
    subject {bytes} NOT NULL,
    purpose text NOT NULL,
    nonce {bytes} NOT NULL,
    link_digest {bytes},
    sent_at {int} NOT NULL,
    used_at {int},
    CONSTRAINT code_dispatches_pkey PRIMARY KEY (subject, purpose),
    CONSTRAINT code_dispatches_nonce_check CHECK (length(nonce) = 16)
){table};
CREATE INDEX code_dispatches_link_digest_idx ON code_dispatches (link_digest) WHERE link_digest IS NOT NULL;
CREATE INDEX code_dispatches_sent_at_idx ON code_dispatches (sent_at);
";

const DOWN: &str = "
DROP TABLE code_dispatches;
DROP TABLE challenges;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000003_challenges"
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
