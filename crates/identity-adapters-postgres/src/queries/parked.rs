//! Parked messages, which wait for an operator.

use async_trait::async_trait;
use authentication_app::ports::{ParkedMessage, ParkedMessages, StoreError};
use time::OffsetDateTime;
use uuid::Uuid;

use super::messages::MESSAGES;
use crate::{sql::Sql, store::Store};

/// By `outbox_messages_parked_idx`. `$1` and `$2` the cursor (creation time and id), `$3` most rows.
const LIST: &str = "SELECT id, kind, purpose, created_at, attempts, parked_at, parked_reason \
     FROM outbox_messages WHERE next_attempt_at IS NULL AND (created_at, id) > ($1, $2) \
     ORDER BY created_at, id LIMIT $3";

/// `$1` now.
macro_rules! resend {
    ($which:literal) => {
        concat!(
            "UPDATE outbox_messages SET next_attempt_at = $1, attempts = 0, put_off = 0, \
             put_off_for = 0, lease_id = NULL, handed_over_at = NULL, counted = 0, parked_at = NULL, parked_reason = NULL \
             WHERE next_attempt_at IS NULL",
            $which
        )
    };
}

/// `$1` message. A notice that a factor reset waits for is kept: without it the owner would count as notified.
const DELETE: &str = "DELETE FROM outbox_messages WHERE id = $1 AND next_attempt_at IS NULL \
     AND NOT (kind = 'factor_reset_announced' AND EXISTS (SELECT 1 FROM factor_resets r \
     WHERE r.account_id = outbox_messages.recipient_account AND r.notice_left_at IS NULL \
     AND r.called_off_at IS NULL))";

#[async_trait]
impl ParkedMessages for Store {
    #[tracing::instrument(name = "messages.list_parked", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn list_parked_messages(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        most: u32,
    ) -> Result<Vec<ParkedMessage>, StoreError> {
        let (at, id) = after.unwrap_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()));
        let rows = Sql::new(LIST)
            .bind(&at)
            .bind(&id)
            .bind(&most)
            .rows(&self.readers)
            .await?;
        let parked = rows.iter().map(|row| {
            Ok(ParkedMessage {
                id: row.get(MESSAGES, "id")?,
                kind: row.get(MESSAGES, "kind")?,
                purpose: row.find(MESSAGES, "purpose")?,
                at: row.get(MESSAGES, "created_at")?,
                attempts: row.get(MESSAGES, "attempts")?,
                parked_at: row.find(MESSAGES, "parked_at")?,
                reason: row.find(MESSAGES, "parked_reason")?,
            })
        });
        parked.collect()
    }

    #[tracing::instrument(name = "messages.resend_parked", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn resend_parked_message(
        &self,
        id: Uuid,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        self.change(Sql::new(resend!(" AND id = $2")).bind(&now).bind(&id))
            .await
    }

    #[tracing::instrument(name = "messages.resend_all_parked", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn resend_all_parked_messages(&self, now: OffsetDateTime) -> Result<u64, StoreError> {
        let text = resend!(" AND created_at <= $1");
        Sql::new(text).bind(&now).execute(&self.writer).await
    }

    #[tracing::instrument(name = "messages.delete_parked", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn delete_parked_message(&self, id: Uuid) -> Result<bool, StoreError> {
        self.change(Sql::new(DELETE).bind(&id)).await
    }
}
