//! The queue of messages as its workers see it.

use async_trait::async_trait;
use authentication_app::ports::{
    LeasedMessage, MessageKind, MessageOrder, MessageQueue, Recipient, StoreError, Subject,
};
use authentication_domain::accounts::AccountId;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    dialect::Dialect,
    outbox::name_of,
    sql::{Row, Sql},
    store::Store,
};

const MESSAGES: &str = "outbox_messages";

/// By `outbox_messages_due_idx`. `$1` now, `$2` most, `$3` the end of the lease. MATERIALIZED: the rows are
/// chosen, and locked, once. A lease counts as an attempt, so that a message which kills its worker is not
/// tried for ever.
macro_rules! lease {
    ($lock:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (SELECT id FROM outbox_messages WHERE next_attempt_at <= $1 \
             ORDER BY next_attempt_at, id LIMIT $2",
            $lock,
            ") UPDATE outbox_messages SET next_attempt_at = $3, attempts = attempts + 1 \
             WHERE id IN (SELECT id FROM due) \
             RETURNING id, kind, purpose, nonce, recipient_subject, recipient_account, \
             typed_identifier, created_at, request_id, attempts"
        )
    };
}

#[async_trait]
impl MessageQueue for Store {
    #[tracing::instrument(name = "messages.lease_messages", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn lease_messages(
        &self,
        most: u32,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Vec<LeasedMessage>, StoreError> {
        let text = Dialect::of(&self.writer).pick(lease!(" FOR UPDATE SKIP LOCKED"), lease!(""));
        let rows = Sql::new(text)
            .bind(&now)
            .bind(&most)
            .bind(&(now + lease))
            .rows(&self.writer)
            .await?;
        let leased: Result<Vec<_>, _> = rows.iter().map(leased_of).collect();
        let mut leased = leased?;
        leased.sort_by_key(|message| (message.order.at, message.order.id));
        Ok(leased)
    }

    #[tracing::instrument(name = "messages.finish_message", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn finish_message(&self, id: Uuid) -> Result<(), StoreError> {
        Sql::new("DELETE FROM outbox_messages WHERE id = $1")
            .bind(&id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    #[tracing::instrument(name = "messages.postpone_message", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn postpone_message(
        &self,
        id: Uuid,
        next_attempt: Option<OffsetDateTime>,
    ) -> Result<(), StoreError> {
        Sql::new("UPDATE outbox_messages SET next_attempt_at = $2 WHERE id = $1")
            .bind(&id)
            .bind(&next_attempt)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

fn leased_of(row: &Row) -> Result<LeasedMessage, StoreError> {
    let attempts: u32 = row.get(MESSAGES, "attempts")?;
    Ok(LeasedMessage {
        order: MessageOrder {
            id: row.get(MESSAGES, "id")?,
            kind: kind_of(row)?,
            recipient: recipient_of(row)?,
            typed_identifier: row.find(MESSAGES, "typed_identifier")?,
            at: row.get(MESSAGES, "created_at")?,
            request_id: row.get(MESSAGES, "request_id")?,
        },
        // This lease is counted already.
        attempts: attempts.saturating_sub(1),
    })
}

fn kind_of(row: &Row) -> Result<MessageKind, StoreError> {
    const NOTICES: [MessageKind; 3] = [
        MessageKind::SignInLocked,
        MessageKind::PasswordChanged,
        MessageKind::SessionStolen,
    ];
    let name: String = row.get(MESSAGES, "kind")?;
    if let Some(notice) = NOTICES.into_iter().find(|kind| name_of(*kind) == name) {
        return Ok(notice);
    }
    let code = MessageKind::Code {
        purpose: row.get(MESSAGES, "purpose")?,
        nonce: row.get(MESSAGES, "nonce")?,
    };
    if name_of(code) == name {
        Ok(code)
    } else {
        Err(StoreError::Corrupt {
            table: MESSAGES,
            column: "kind",
        })
    }
}

fn recipient_of(row: &Row) -> Result<Recipient, StoreError> {
    let subject: Option<Subject> = row.find(MESSAGES, "recipient_subject")?;
    let account: Option<AccountId> = row.find(MESSAGES, "recipient_account")?;
    subject
        .map(Recipient::Subject)
        .or(account.map(Recipient::Account))
        .ok_or(StoreError::Corrupt {
            table: MESSAGES,
            column: "recipient_account",
        })
}
