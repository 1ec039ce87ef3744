//! Events and messages, written with the change that they tell of.

use async_trait::async_trait;
use authentication_app::ports::{
    EventEnvelope, MessageKind, MessageOrder, Outbox, Recipient, StoreError,
};

use crate::{
    sql::{Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

const APPEND_MESSAGE: &str = "INSERT INTO outbox_messages (id, kind, purpose, nonce, recipient_subject, \
     recipient_account, typed_identifier, created_at, next_attempt_at, request_id, attempts) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, 0)";

#[async_trait]
impl Outbox for SqlUnitOfWork {
    #[tracing::instrument(name = "outbox.append_events", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn append_events(&mut self, events: &[EventEnvelope]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let rows = tuples(1, events.len(), 6);
        let text = format!(
            "INSERT INTO outbox_events (id, occurred_at, event_type, account_id, data, request_id) \
             VALUES {rows}"
        );
        let insert = events.iter().fold(Sql::new(text), |sql, envelope| {
            let event = &envelope.event;
            sql.bind(&envelope.id)
                .bind(&envelope.at)
                .bind(event.type_name())
                .bind(&event.account())
                .bind(&event.data().to_string())
                .bind(&envelope.request_id)
        });
        insert.execute(self).await?;
        Ok(())
    }

    #[tracing::instrument(name = "outbox.append_message", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn append_message(&mut self, message: &MessageOrder) -> Result<(), StoreError> {
        let (purpose, nonce) = match message.kind {
            MessageKind::Code { purpose, nonce } => (Some(purpose), Some(nonce)),
            MessageKind::SignInLocked
            | MessageKind::PasswordChanged
            | MessageKind::SessionStolen => (None, None),
        };
        let (subject, account) = match &message.recipient {
            Recipient::Subject(subject) => (Some(*subject), None),
            Recipient::Account(account) => (None, Some(*account)),
        };
        Sql::new(APPEND_MESSAGE)
            .bind(&message.id)
            .bind(name_of(message.kind))
            .bind(&purpose)
            .bind(&nonce)
            .bind(&subject)
            .bind(&account)
            .bind(&message.typed_identifier)
            .bind(&message.at)
            .bind(&message.request_id)
            .execute(self)
            .await?;
        Ok(())
    }
}

/// The name in `outbox_messages.kind`.
pub(crate) const fn name_of(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Code { .. } => "code",
        MessageKind::SignInLocked => "sign_in_locked",
        MessageKind::PasswordChanged => "password_changed",
        MessageKind::SessionStolen => "session_stolen",
    }
}
