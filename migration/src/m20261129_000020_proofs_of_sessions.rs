//! When a session's factors were proven, which generation its last proof began, and refreshes that were forgiven.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const UP: &str = "
-- Without them (a session of the release before) both factors count as proven when the session was created.
ALTER TABLE sessions ADD COLUMN first_proven_at {int};
ALTER TABLE sessions ADD COLUMN second_proven_at {int};
-- The generation that the last proof began: tokens of earlier ones count no more. NULL is 0.
ALTER TABLE sessions ADD COLUMN proven_generation {int};
-- The last four refreshes that were forgiven, the newest first: when, and the generation they were given.
ALTER TABLE sessions ADD COLUMN forgiven_at_1 {int};
ALTER TABLE sessions ADD COLUMN forgiven_at_2 {int};
ALTER TABLE sessions ADD COLUMN forgiven_at_3 {int};
ALTER TABLE sessions ADD COLUMN forgiven_at_4 {int};
ALTER TABLE sessions ADD COLUMN forgiven_generation_1 {int};
ALTER TABLE sessions ADD COLUMN forgiven_generation_2 {int};
ALTER TABLE sessions ADD COLUMN forgiven_generation_3 {int};
ALTER TABLE sessions ADD COLUMN forgiven_generation_4 {int};
";

const DOWN: &str = "
ALTER TABLE sessions DROP COLUMN forgiven_generation_4;
ALTER TABLE sessions DROP COLUMN forgiven_generation_3;
ALTER TABLE sessions DROP COLUMN forgiven_generation_2;
ALTER TABLE sessions DROP COLUMN forgiven_generation_1;
ALTER TABLE sessions DROP COLUMN forgiven_at_4;
ALTER TABLE sessions DROP COLUMN forgiven_at_3;
ALTER TABLE sessions DROP COLUMN forgiven_at_2;
ALTER TABLE sessions DROP COLUMN forgiven_at_1;
ALTER TABLE sessions DROP COLUMN proven_generation;
ALTER TABLE sessions DROP COLUMN second_proven_at;
ALTER TABLE sessions DROP COLUMN first_proven_at;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261129_000020_proofs_of_sessions"
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
