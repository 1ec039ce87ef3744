//! Events and messages, written in the same transaction as the change they report.

use std::borrow::Cow;

use std::collections::BTreeSet;

use async_trait::async_trait;
use authentication_app::ports::{
    EventEnvelope, MessageKind, MessageOrder, Outbox, Recipient, StoreError,
};

use crate::{
    dialect::Dialect,
    sql::{Sql, tuples},
    unit_of_work::SqlUnitOfWork,
};

const APPEND_MESSAGE: &str = "INSERT INTO outbox_messages (id, kind, purpose, nonce, recipient_subject, \
     recipient_account, typed_identifier, created_at, next_attempt_at, request_id, attempts, gathers_until) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($10, $8), $9, 0, $10)";

/// In `outbox_messages.purpose` of a notice without another detail: a row with a nonce needs a purpose.
const LINK: &str = "link";

const APPEND_EVENTS: &str =
    "INSERT INTO outbox_events (id, occurred_at, event_type, account_id, data, request_id)";

#[async_trait]
impl Outbox for SqlUnitOfWork {
    #[tracing::instrument(name = "outbox.append_events", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn append_events(&mut self, events: &[EventEnvelope]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let insert = match Dialect::of(self) {
            Dialect::Postgres => in_turn(events),
            // One writer at a time, so sequences follow the commits.
            Dialect::Sqlite => Sql::over_rows(format!(
                "{APPEND_EVENTS} VALUES {}",
                tuples(1, events.len(), 6)
            )),
        };
        let insert = events.iter().fold(insert, |sql, envelope| {
            let event = &envelope.event;
            sql.bind(&envelope.id)
                .bind(&envelope.at)
                .bind(event.type_name())
                .bind(&event.account())
                .bind(&event.data().to_string())
                .bind(&envelope.request_id)
        });
        insert.execute(self).await?;
        self.note_events();
        Ok(())
    }

    #[tracing::instrument(name = "outbox.append_message", level = "debug", skip_all, fields(db.operation.name = "INSERT"))]
    async fn append_message(&mut self, message: &MessageOrder) -> Result<(), StoreError> {
        let (purpose, nonce) = match message.kind {
            MessageKind::Code { purpose, nonce } => {
                (Some(Cow::from(purpose.as_str())), Some(nonce))
            }
            kind => {
                let named = detail_of(kind).or(message.link.map(|_| LINK.into()));
                (named, message.link)
            }
        };
        let (subject, account) = match &message.recipient {
            Recipient::Subject(subject) => (Some(*subject), None),
            Recipient::Account(account) => (None, Some(*account)),
        };
        Sql::new(APPEND_MESSAGE)
            .bind(&message.id)
            .bind(name_of(message.kind))
            .bind(&purpose.map(Cow::into_owned))
            .bind(&nonce)
            .bind(&subject)
            .bind(&account)
            .bind(&message.typed_identifier)
            .bind(&message.at)
            .bind(&message.request_id)
            .bind(&message.gathers_until)
            .execute(self)
            .await?;
        Ok(())
    }
}

/// The insertion of events, with the binds of its locks already set.
///
/// Takes one lock per account, held until the commit, before the sequences of its events are drawn. So the events of an
/// account are numbered in commit order, and a reader that sees one sees all earlier ones. Units take these locks last,
/// so they cannot be part of a deadlock.
fn in_turn(events: &[EventEnvelope]) -> Sql {
    let accounts: BTreeSet<i64> = events.iter().map(turn_of).collect();
    let (turns, rows) = (
        tuples(1, accounts.len(), 1),
        tuples(1 + accounts.len(), events.len(), 6),
    );
    // The rows are numbered in the order of VALUES.
    let text = format!(
        "{APPEND_EVENTS} SELECT event.* FROM \
         (SELECT count(pg_advisory_xact_lock(key)) AS taken FROM (VALUES {turns}) AS account (key)) AS turn, \
         (VALUES {rows}) AS event WHERE turn.taken > 0"
    );
    accounts.iter().fold(Sql::new(text), Sql::bind)
}

/// The advisory lock key of an account. Two accounts with the same key only wait for each other now and then.
fn turn_of(envelope: &EventEnvelope) -> i64 {
    let (high, low) = envelope.event.account().as_uuid().as_u64_pair();
    (high ^ low).cast_signed()
}

/// The detail that a notice names in addition to its kind, if it has one.
pub(crate) fn detail_of(kind: MessageKind) -> Option<Cow<'static, str>> {
    match kind {
        MessageKind::CredentialAdded(what) | MessageKind::CredentialRemoved(what) => {
            Some(what.stored())
        }
        _ => None,
    }
}

/// The kind of codes in `outbox_messages.kind`.
pub(crate) const CODE: &str = "code";

/// The name of a message kind in `outbox_messages.kind`.
pub(crate) const fn name_of(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Code { .. } => CODE,
        MessageKind::SignInLocked => "sign_in_locked",
        MessageKind::GuessingStopped => "guessing_stopped",
        MessageKind::PasswordChanged => "password_changed",
        MessageKind::SessionStolen => "session_stolen",
        MessageKind::NewDevice => "new_device",
        MessageKind::CredentialAdded(_) => "credential_added",
        MessageKind::CredentialRemoved(_) => "credential_removed",
        MessageKind::RecoveryCodeUsed => "recovery_code_used",
        MessageKind::RecoveryCodesLow => "recovery_codes_low",
        MessageKind::IdentifierChanged => "identifier_changed",
        MessageKind::IdentifierRestored => "identifier_restored",
        MessageKind::AccountSecured => "account_secured",
        MessageKind::FactorResetAnnounced => "factor_reset_announced",
        MessageKind::FactorsReset => "factors_reset",
        MessageKind::PasskeyCopySuspected => "passkey_copy_suspected",
        MessageKind::SecondFactorRefused => "second_factor_refused",
        MessageKind::AuthenticatorClosed => "authenticator_closed",
    }
}
