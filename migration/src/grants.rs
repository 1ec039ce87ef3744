//! What the role of the nodes may do when another one owns the tables.

use sea_orm_migration::sea_orm::{DatabaseConnection, DbBackend, DbErr, sqlx};

use crate::runner::{begin, failed};

/// Each table of the schema that is ours. The trail is read and added to, and which migrations there are is read.
/// Partitions are reached through their table, which is what counts; nobody is let at them directly.
const GRANT: &str = r"DO $$
DECLARE
    grantee text := current_setting('fashionistar.grantee');
    made record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), grantee);
    FOR made IN
        SELECT c.oid::regclass AS name, c.relname FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %I', made.name, grantee);
        EXECUTE format(
            'GRANT %s ON %s TO %I',
            CASE made.relname
                WHEN 'audit_entries' THEN 'SELECT, INSERT'
                WHEN 'seaql_migrations' THEN 'SELECT'
                ELSE 'SELECT, INSERT, UPDATE, DELETE'
            END,
            made.name,
            grantee
        );
    END LOOP;
END
$$";

/// Lets `role` do what a node does and nothing else: it changes no schema, and the trail it can only read and add
/// to. To be called after the migrations, each time. PostgreSQL only.
///
/// # Errors
/// [`DbErr`] when there is no such role, when it owns the tables, or when they are not the caller's to share.
pub async fn grant_to_nodes(db: &DatabaseConnection, role: &str) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Err(DbErr::Custom("SQLite has no roles".to_owned()));
    }
    let mut unit = begin(db).await?;
    let is_owner: Option<bool> = sqlx::query_scalar(IS_OWNER)
        .bind(role)
        .persistent(false)
        .fetch_optional(&mut *unit)
        .await
        .map_err(failed)?;
    match is_owner {
        None => return Err(DbErr::Custom(format!("there is no role {role}"))),
        Some(true) => {
            let reason = format!("{role} owns the tables or may act for their owner");
            return Err(DbErr::Custom(reason));
        }
        Some(false) => {}
    }
    sqlx::query("SELECT set_config('fashionistar.grantee', $1, true)")
        .bind(role)
        .persistent(false)
        .execute(&mut *unit)
        .await
        .map_err(failed)?;
    sqlx::raw_sql(GRANT)
        .execute(&mut *unit)
        .await
        .map_err(failed)?;
    unit.commit().await.map_err(failed)
}

/// Whether a role has the rights of the owner; no row when there is no such role.
const IS_OWNER: &str = "SELECT coalesce(pg_has_role(r.oid, c.relowner, 'MEMBER'), false) \
     FROM pg_roles r LEFT JOIN pg_class c ON c.oid = to_regclass('accounts') WHERE r.rolname = $1";
