//! The message queue as its workers use it.

use async_trait::async_trait;
use authentication_app::ports::{
    Backlog, GiveBack, HeldMessage, LeaseToken, LeasedMessage, LeasedMessages, MessageKind,
    MessageOrder, MessageQueue, Recipient, StoreError, Subject,
};
use authentication_domain::{
    accounts::AccountId, challenges::CodeNonce, credentials::CredentialKind,
};
use time::{Duration, OffsetDateTime};

use crate::{
    dialect::Dialect,
    error::Fault,
    gatherings,
    outbox::{CODE, name_of},
    sql::{Row, Sql},
    store::Store,
};

pub(super) const MESSAGES: &str = "outbox_messages";

/// Codes for purposes that this release knows.
macro_rules! our_codes {
    () => {
        "kind = 'code' AND purpose IN ('registration', 'sign_in', 'password_reset', \
         'identifier_change', 'second_factor')"
    };
}

/// By `outbox_messages_codes_due_idx` and `outbox_messages_due_idx`. `$1` now, `$2` most messages, `$3` the end of the
/// lease, `$4` its token. MATERIALIZED: the rows are chosen, and locked, once. A lease counts as an attempt, so
/// that a message that kills its worker is not retried forever. Kinds queued by a later release are left to it.
///
/// Codes go first: behind a backlog of postponed notices they would be too late. A quarter is reserved for the
/// others, so that codes do not hold up notices either.
/// others, so that codes do not hold up notices either.
macro_rules! lease {
    ($lock:literal) => {
        concat!(
            "WITH codes AS MATERIALIZED (SELECT id FROM outbox_messages WHERE next_attempt_at <= $1 AND ",
            our_codes!(),
            " ORDER BY next_attempt_at, id LIMIT $2 - $2 / 4",
            $lock,
            "), due AS MATERIALIZED (SELECT id FROM outbox_messages WHERE next_attempt_at <= $1 \
             AND (kind IN ('sign_in_locked', 'guessing_stopped', 'password_changed', 'session_stolen', 'new_device', \
             'recovery_code_used', 'recovery_codes_low', 'identifier_changed', \
             'identifier_restored', 'account_secured', 'factor_reset_announced', 'factors_reset', \
             'passkey_copy_suspected', 'second_factor_refused', 'authenticator_closed') \
             OR (",
            our_codes!(),
            ") OR (kind IN ('credential_added', 'credential_removed') \
             AND (purpose IN ('totp', 'passkey', 'recovery_codes', 'google') \
             OR purpose LIKE 'provider:%'))) \
             AND id NOT IN (SELECT id FROM codes) \
             ORDER BY next_attempt_at, id LIMIT $2 - (SELECT count(*) FROM codes)",
            $lock,
            ") UPDATE outbox_messages SET next_attempt_at = $3, attempts = attempts + 1, lease_id = $4 \
             WHERE id IN (SELECT id FROM codes UNION ALL SELECT id FROM due) \
             RETURNING id, kind, purpose, nonce, recipient_subject, recipient_account, \
             typed_identifier, created_at, request_id, attempts, put_off, put_off_for, counted, \
             handed_over_at, gathers_until, gathered"
        )
    };
}

/// `$1` message, `$2` token, `$3` now.
const HAND_OVER: &str = "UPDATE outbox_messages SET handed_over_at = $3, counted = 1 \
     WHERE id = $1 AND lease_id = $2 AND handed_over_at IS NULL";

/// `$1` message, `$2` token.
const FINISH: &str = "DELETE FROM outbox_messages WHERE id = $1 AND lease_id = $2";

/// `$1` message, `$2` token, `$3` when it is due, `$4` how much postponed time to count, `$5` whether it was counted.
const RETRY: &str = "UPDATE outbox_messages \
     SET next_attempt_at = $3, lease_id = NULL, handed_over_at = NULL, put_off = put_off + 1, \
     put_off_for = put_off_for + $4, counted = $5 \
     WHERE id = $1 AND lease_id = $2";

/// Returns the message without counting an attempt. `$1` message, `$2` token, `$3` when it is due.
const WAIT: &str = "UPDATE outbox_messages \
     SET next_attempt_at = $3, lease_id = NULL, handed_over_at = NULL, attempts = attempts - 1 \
     WHERE id = $1 AND lease_id = $2";

/// `$1` message, `$2` token, `$3` now, `$4` the reason.
const PARK: &str = "UPDATE outbox_messages SET next_attempt_at = NULL, lease_id = NULL, \
     handed_over_at = NULL, parked_at = $3, parked_reason = $4 \
     WHERE id = $1 AND lease_id = $2";

/// By `outbox_messages_due_idx` and `outbox_messages_parked_idx`. `$1` now, `$2` the epoch.
const BACKLOG: &str = "SELECT \
     (SELECT count(*) FROM outbox_messages WHERE next_attempt_at >= $2) AS waiting, \
     (SELECT count(*) FROM outbox_messages WHERE next_attempt_at IS NULL AND created_at >= $2) AS parked, \
     (SELECT min(next_attempt_at) FROM outbox_messages WHERE next_attempt_at <= $1) AS due_since";

#[async_trait]
impl MessageQueue for Store {
    #[tracing::instrument(name = "messages.lease_messages", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn lease_messages(
        &self,
        most: u32,
        token: LeaseToken,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<LeasedMessages, StoreError> {
        let text = Dialect::of(&self.writer).pick(lease!(" FOR UPDATE SKIP LOCKED"), lease!(""));
        let rows = Sql::new(text)
            .bind(&now)
            .bind(&most)
            .bind(&(now + lease))
            .bind(&token.0)
            .rows(&self.writer)
            .await?;
        let mut leased = LeasedMessages::default();
        for row in &rows {
            let held = HeldMessage {
                id: row.get(MESSAGES, "id")?,
                lease: token,
            };
            match leased_of(row, held) {
                Ok(message) => leased.messages.push(message),
                Err(error) => leased.unreadable.push((held, error)),
            }
        }
        leased
            .messages
            .sort_by_key(|message| (message.order.at, message.order.id));
        Ok(leased)
    }

    #[tracing::instrument(name = "messages.hand_over_message", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn hand_over_message(
        &self,
        held: HeldMessage,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        self.change(by(HAND_OVER, held).bind(&now)).await
    }

    #[tracing::instrument(name = "messages.finish_message", level = "debug", skip_all, fields(db.operation.name = "DELETE"))]
    async fn finish_message(&self, held: HeldMessage) -> Result<bool, StoreError> {
        self.change(by(FINISH, held)).await
    }

    #[tracing::instrument(name = "messages.give_back_message", level = "debug", skip_all, fields(db.operation.name = "UPDATE"))]
    async fn give_back_message(
        &self,
        held: HeldMessage,
        how: GiveBack,
    ) -> Result<bool, StoreError> {
        let change = match how {
            GiveBack::Retry {
                at,
                counts_for,
                is_counted,
            } => by(RETRY, held)
                .bind(&at)
                .bind(&counts_for)
                .bind(&u32::from(is_counted)),
            GiveBack::Wait(until) => by(WAIT, held).bind(&until),
            GiveBack::Park { at, reason } => by(PARK, held).bind(&at).bind(&reason),
        };
        self.change(change).await
    }

    #[tracing::instrument(name = "messages.message_backlog", level = "debug", skip_all, fields(db.operation.name = "SELECT"))]
    async fn message_backlog(&self, now: OffsetDateTime) -> Result<Backlog, StoreError> {
        let row = Sql::new(BACKLOG)
            .bind(&now)
            .bind(&OffsetDateTime::UNIX_EPOCH)
            .row(&self.readers)
            .await?;
        let row = row.ok_or(Fault::MissingRow("a backlog"))?;
        let count = |column| row.get::<i64>(MESSAGES, column).map(i64::unsigned_abs);
        let due_since: Option<OffsetDateTime> = row.find(MESSAGES, "due_since")?;
        let lag = due_since.map_or(Duration::ZERO, |since| now - since);
        Ok(Backlog {
            waiting: count("waiting")?,
            parked: count("parked")?,
            lag: lag.unsigned_abs(),
        })
    }
}

impl Store {
    /// Executes a statement about one row; returns whether it found the row.
    pub(super) async fn change(&self, sql: Sql) -> Result<bool, StoreError> {
        Ok(sql.execute(&self.writer).await? == 1)
    }
}

fn by(text: &'static str, held: HeldMessage) -> Sql {
    Sql::new(text).bind(&held.id).bind(&held.lease.0)
}

fn leased_of(row: &Row, held: HeldMessage) -> Result<LeasedMessage, StoreError> {
    let attempts: u32 = row.get(MESSAGES, "attempts")?;
    let counted: u32 = row.get(MESSAGES, "counted")?;
    let handed_over_at: Option<OffsetDateTime> = row.find(MESSAGES, "handed_over_at")?;
    Ok(LeasedMessage {
        order: MessageOrder {
            id: held.id,
            kind: kind_of(row)?,
            recipient: recipient_of(row)?,
            link: link_of(row)?,
            typed_identifier: row.find(MESSAGES, "typed_identifier")?,
            gathers_until: row.find(MESSAGES, "gathers_until")?,
            at: row.get(MESSAGES, "created_at")?,
            request_id: row.get(MESSAGES, "request_id")?,
        },
        lease: held.lease,
        // Without this lease, which is already counted.
        attempts: attempts.saturating_sub(1),
        put_off: row.get(MESSAGES, "put_off")?,
        put_off_for: row.get(MESSAGES, "put_off_for")?,
        is_counted: counted != 0,
        may_be_out: handed_over_at.is_some(),
        gathered: gatherings::written_down_in(row)?,
    })
}

fn kind_of(row: &Row) -> Result<MessageKind, StoreError> {
    let name: String = row.get(MESSAGES, "kind")?;
    let detail: Option<String> = row.find(MESSAGES, "purpose")?;
    // Their details are named in the configuration, so they are in no list of kinds.
    let about = || detail.as_deref().and_then(CredentialKind::from_name);
    match name.as_str() {
        "credential_added" => {
            return about()
                .map(MessageKind::CredentialAdded)
                .ok_or_else(unreadable_kind);
        }
        "credential_removed" => {
            return about()
                .map(MessageKind::CredentialRemoved)
                .ok_or_else(unreadable_kind);
        }
        _ => {}
    }
    if let Some(notice) = MessageKind::notices().find(|kind| name_of(*kind) == name) {
        return Ok(notice);
    }
    if name != CODE {
        return Err(unreadable_kind());
    }
    Ok(MessageKind::Code {
        purpose: row.get(MESSAGES, "purpose")?,
        nonce: row.get(MESSAGES, "nonce")?,
    })
}

fn link_of(row: &Row) -> Result<Option<CodeNonce>, StoreError> {
    let name: String = row.get(MESSAGES, "kind")?;
    if name == CODE {
        return Ok(None);
    }
    row.find(MESSAGES, "nonce")
}

const fn unreadable_kind() -> StoreError {
    StoreError::Corrupt {
        table: MESSAGES,
        column: "kind",
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

#[cfg(test)]
mod tests {
    use authentication_domain::challenges::Purpose;

    use super::*;
    use crate::outbox::detail_of;

    /// A kind that is missing from the SQL text would never be sent.
    #[test]
    fn whatever_this_release_queues_it_leases() {
        let text = lease!("");
        let named = |name: &str| text.contains(&format!("'{name}'"));
        for purpose in Purpose::ALL {
            let nonce = CodeNonce([0; 16]);
            let code = MessageKind::Code { purpose, nonce };
            assert!(named(purpose.as_str()) && named(name_of(code)));
        }
        for notice in MessageKind::notices() {
            let detail = detail_of(notice).is_none_or(|what| named(&what));
            assert!(named(name_of(notice)) && detail);
        }
    }
}
