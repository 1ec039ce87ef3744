//! The audit trail: append-only, on PostgreSQL in partitions by month.

use async_trait::async_trait;
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, sea_orm::DbErr};

use crate::ddl;

const COLUMNS: &str = "
CREATE TABLE audit_entries (
    id {uuid} NOT NULL,
    occurred_at {int} NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    actor_id {uuid},
    subject_id {uuid},
    identifier {bytes},
    session_id {uuid},
    request_id text NOT NULL,
    sealed_for {uuid},
    context {bytes} NOT NULL,
    diff {bytes},
    CONSTRAINT audit_entries_pkey PRIMARY KEY (id, occurred_at)
)";

/// Row triggers of a partitioned table hold for its partitions too, also when these are named directly.
/// Dropping a whole partition is how entries leave when their time is over.
const ON_POSTGRES: &str = "
 PARTITION BY RANGE (occurred_at);
CREATE TABLE audit_entries_default PARTITION OF audit_entries DEFAULT;

CREATE FUNCTION audit_entries_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_entries is append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_refuse_change();
CREATE TRIGGER audit_entries_no_truncate BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse_change();
";

const ON_SQLITE: &str = "
 STRICT;
CREATE TRIGGER audit_entries_no_update BEFORE UPDATE ON audit_entries
    BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END;
CREATE TRIGGER audit_entries_no_delete BEFORE DELETE ON audit_entries
    BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END;
";

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m20261122_000005_audit"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let postgres = format!("{COLUMNS}{ON_POSTGRES}");
        let sqlite = format!("{COLUMNS}{ON_SQLITE}");
        ddl::run_either(manager, &postgres, &sqlite).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let postgres = "DROP TABLE audit_entries; DROP FUNCTION audit_entries_refuse_change()";
        let sqlite = "DROP TABLE audit_entries";
        ddl::run_either(manager, postgres, sqlite).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
