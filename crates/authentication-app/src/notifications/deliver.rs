//! Sending what the outbox holds.
//!
//! Any number of workers may run: a lease makes each message one worker's at a time. Whether a code is
//! still wanted, and whether anybody is to get it, is found out here, at the moment of sending, where no
//! client waits for the answer and can learn from it.

use authentication_domain::{
    accounts::{Closed, Identifier},
    challenges::{CodeNonce, Purpose},
};
use time::{Duration, OffsetDateTime};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::{Notifications, texts::Text};
use crate::{
    accounts::OpenedAccount,
    corrupt,
    ports::{
        Channel, DeliveryError, DeliveryOutcome, LeasedMessage, Measure, Message, MessageChannel,
        MessageKind, MessageOrder, Recipient, ServicePurpose, StoreError, Subject,
    },
    retry::retrying,
};

/// Messages taken at once.
const BATCH: u32 = 32;
/// How long a worker may hold a message; longer than any sender waits.
const LEASE: Duration = Duration::seconds(30);
/// Attempts before a message is parked for a person to look at.
const MOST_ATTEMPTS: u32 = 8;

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Messages taken from the queue; a full batch asks for another round at once.
    pub taken: usize,
    /// Messages that went out.
    pub sent: usize,
}

impl Delivered {
    /// Whether there may be more.
    pub const fn was_full(&self) -> bool {
        self.taken == BATCH as usize
    }
}

/// What is to go out, and to whom.
struct Letter {
    to: Identifier,
    text: Text,
    code: Option<String>,
}

impl Notifications {
    /// Sends what is due, one batch.
    ///
    /// # Errors
    /// [`StoreError`] when the queue cannot be read; a message that fails is tried again later.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn deliver_due(&self) -> Result<Delivered, StoreError> {
        let now = self.base.clock.now();
        let leased = self.base.store.lease_messages(BATCH, LEASE, now).await?;
        let mut delivered = Delivered {
            taken: leased.len(),
            sent: 0,
        };
        // All at once: a lease must not run out while a message waits for slow ones before it.
        let mut sending = JoinSet::new();
        for message in leased {
            let this = self.clone();
            sending.spawn(async move { this.deliver(&message).await }.in_current_span());
        }
        for sent in sending.join_all().await {
            delivered.sent += usize::from(sent?);
        }
        Ok(delivered)
    }

    async fn deliver(&self, leased: &LeasedMessage) -> Result<bool, StoreError> {
        let order = &leased.order;
        let store = &self.base.store;
        let now = self.base.clock.now();
        // Counted when it was leased, so that one that ends its worker is not tried for ever.
        if leased.attempts >= MOST_ATTEMPTS {
            tracing::error!(message_id = %order.id, "a message ended its worker again and again; parked");
            self.note(MessageChannel::None, DeliveryOutcome::Parked);
            return store.postpone_message(order.id, None).await.map(|()| false);
        }
        let letter = match self.write(order, now).await {
            Ok(Some(letter)) => letter,
            Ok(None) => {
                self.note(MessageChannel::None, DeliveryOutcome::Dropped);
                return store.finish_message(order.id).await.map(|()| false);
            }
            Err(StoreError::Corrupt { table, column }) => {
                tracing::error!(message_id = %order.id, table, column, "a message cannot be made; parked");
                self.note(MessageChannel::None, DeliveryOutcome::Parked);
                return store.postpone_message(order.id, None).await.map(|()| false);
            }
            Err(error) => return Err(error),
        };
        let channel = Channel::of(&letter.to);
        let message = Message {
            id: order.id,
            to: letter.to,
            channel,
            subject: match channel {
                Channel::Email => letter.text.subject,
                Channel::Sms => String::new(),
            },
            text: letter.text.body,
            code: letter.code,
            at: now,
        };
        let measured = MessageChannel::from(channel);
        let (log_id, channel) = (order.id, channel.as_str());
        match self.sender.send(&message).await {
            Ok(()) => {
                tracing::info!(message_id = %log_id, channel, "message sent");
                self.note(measured, DeliveryOutcome::Delivered);
                // Sent but not removed is sent twice: worth another attempt.
                retrying(|| store.finish_message(order.id)).await?;
                Ok(true)
            }
            Err(error) => {
                let next = next_attempt(error, leased.attempts, now);
                tracing::warn!(message_id = %log_id, channel, %error, parked = next.is_none(), "message not sent");
                let outcome = next.map_or(DeliveryOutcome::Parked, |_| DeliveryOutcome::Postponed);
                self.note(measured, outcome);
                store.postpone_message(order.id, next).await?;
                Ok(false)
            }
        }
    }

    fn note(&self, channel: MessageChannel, outcome: DeliveryOutcome) {
        self.base.meter.note(Measure::Message(channel, outcome));
    }

    /// The letter, or `None` when nobody is to get one.
    async fn write(
        &self,
        order: &MessageOrder,
        now: OffsetDateTime,
    ) -> Result<Option<Letter>, StoreError> {
        let owner = self.owner(order).await?;
        let (purpose, nonce) = match order.kind {
            MessageKind::Code { purpose, nonce } => (purpose, nonce),
            kind => {
                return Ok(owner
                    .zip(self.branding.notice(kind, &self.base.rules.lockout))
                    .map(|(owner, text)| Letter {
                        to: owner.view.identifier,
                        text,
                        code: None,
                    }));
            }
        };
        let Recipient::Subject(subject) = order.recipient else {
            return Ok(None);
        };
        if !self.is_current(subject, purpose, nonce, now).await? {
            return Ok(None);
        }
        match (purpose, owner) {
            (Purpose::Registration, Some(owner)) => Ok(Some(Letter {
                to: owner.view.identifier,
                text: self.branding.already_registered(),
                code: None,
            })),
            (Purpose::Registration, None) => {
                let to = self.typed_identifier(order)?;
                Ok(Some(self.code_letter(to, subject, purpose, nonce)))
            }
            (Purpose::SignIn | Purpose::PasswordReset, Some(owner)) => Ok(Some(self.code_letter(
                owner.view.identifier,
                subject,
                purpose,
                nonce,
            ))),
            (Purpose::SignIn | Purpose::PasswordReset, None) => Ok(None),
        }
    }

    fn code_letter(
        &self,
        to: Identifier,
        subject: Subject,
        purpose: Purpose,
        nonce: CodeNonce,
    ) -> Letter {
        let macs = &self.base.macs;
        let rules = &self.base.rules.challenges;
        let code = macs.code(nonce, purpose, subject);
        // A link in a text message trains people to tap links in text messages.
        let link = (purpose == Purpose::PasswordReset && matches!(to, Identifier::Email(_)))
            .then(|| macs.reset_link_token(nonce, subject));
        Letter {
            text: self
                .branding
                .code(purpose, code.expose(), link.as_ref(), rules),
            code: Some(code.expose().to_owned()),
            to,
        }
    }

    /// Whoever is meant, if their account was not closed by themselves.
    async fn owner(&self, order: &MessageOrder) -> Result<Option<OpenedAccount>, StoreError> {
        let store = &self.base.store;
        let record = match order.recipient {
            Recipient::Subject(subject) => store.find_by_subject(subject).await?,
            Recipient::Account(account) => {
                let found = store.credentials_of(account).await?;
                found.map(|(record, _)| record)
            }
        };
        let taken = matches!(
            order.kind,
            MessageKind::Code {
                purpose: Purpose::Registration,
                ..
            }
        );
        record
            .filter(|record| taken || record.account.gate() != Err(Closed::Absent))
            .map(|record| self.base.open_account(&record))
            .transpose()
    }

    async fn is_current(
        &self,
        subject: Subject,
        purpose: Purpose,
        nonce: CodeNonce,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let current = self.base.store.find_dispatch(subject, purpose).await?;
        let rules = &self.base.rules.challenges;
        Ok(current.is_some_and(|it| it.nonce == nonce && rules.code_counts(it.sent_at, now)))
    }

    fn typed_identifier(&self, order: &MessageOrder) -> Result<Identifier, StoreError> {
        let unreadable = || corrupt("outbox_messages", "typed_identifier");
        let sealed = order.typed_identifier.as_ref().ok_or_else(unreadable)?;
        let purpose = ServicePurpose::PendingRegistration;
        let plain = self
            .base
            .vault
            .open_for_service(purpose, order.id.as_bytes(), sealed)
            .map_err(|_| unreadable())?;
        std::str::from_utf8(&plain)
            .ok()
            .and_then(|text| Identifier::parse(text).ok())
            .ok_or_else(unreadable)
    }
}

/// When to try again: doubling from two seconds; never for what cannot work or was tried often enough.
fn next_attempt(
    error: DeliveryError,
    attempts_before: u32,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    match error {
        DeliveryError::Permanent => None,
        DeliveryError::Transient if attempts_before + 1 >= MOST_ATTEMPTS => None,
        DeliveryError::Transient => Some(now + Duration::seconds(2) * 2_i32.pow(attempts_before)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_failing_message_is_tried_less_and_less_often_and_then_parked() {
        let now = datetime!(2026-01-01 00:00 UTC);
        let next = |attempts| next_attempt(DeliveryError::Transient, attempts, now);
        assert_eq!(next(0), Some(now + Duration::seconds(2)));
        assert_eq!(next(3), Some(now + Duration::seconds(16)));
        assert_eq!(next(MOST_ATTEMPTS - 1), None);
        assert_eq!(next_attempt(DeliveryError::Permanent, 0, now), None);
    }
}
