//! The audit trail. Entries are only added; triggers refuse updates and deletes.

use async_trait::async_trait;
use authentication_app::ports::{AuditRecord, AuditTrail, StoreError};

use crate::{
    sql::{Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

const COLUMNS: &str = "id, occurred_at, action, outcome, actor_id, subject_id, identifier, session_id, \
     request_id, sealed_for, context, diff";

#[async_trait]
impl AuditTrail for SqlUnitOfWork {
    #[tracing::instrument(name = "audit.append", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn append(&mut self, entries: &[AuditRecord]) -> Result<(), StoreError> {
        if entries.is_empty() {
            return Ok(());
        }
        let rows = tuples(1, entries.len(), 12);
        let text = format!("INSERT INTO audit_entries ({COLUMNS}) VALUES {rows}");
        let insert = entries.iter().fold(Sql::over_rows(text), |sql, entry| {
            sql.bind(&entry.id)
                .bind(&entry.at)
                .bind(entry.action.as_str())
                .bind(entry.outcome.as_str())
                .bind(&entry.actor)
                .bind(&entry.subject)
                .bind(&entry.identifier)
                .bind(&entry.session)
                .bind(&entry.request_id)
                .bind(&entry.sealed_for)
                .bind(&entry.context)
                .bind(&entry.diff)
        });
        insert.execute(self).await?;
        Ok(())
    }
}
