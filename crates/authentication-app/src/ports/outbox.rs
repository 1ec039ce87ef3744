//! What is sent out once the unit is committed: events, and messages to people.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    challenges::{CodeNonce, Purpose},
    credentials::CredentialKind,
    events::{Event, EventId},
    protection::NoticePace,
};
use common::RequestId;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Sealed, StoreError, Subject};

/// An event to be delivered (CloudEvents 1.0).
#[derive(Debug, Clone)]
pub struct EventEnvelope {
    /// The event's id, the same for every delivery.
    pub id: EventId,
    /// When it happened.
    pub at: OffsetDateTime,
    /// What happened.
    pub event: Event,
    /// The id of the request that caused it.
    pub request_id: RequestId,
}

/// The kind of a message to a person. The text is rendered when it is sent; nothing personal is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A one-time code. Its recipient, if there is one, is looked up when it is sent.
    Code {
        /// What the code is for.
        purpose: Purpose,
        /// The sending; a newer one makes this one void.
        nonce: CodeNonce,
    },
    /// Sign-in was locked temporarily after failures.
    SignInLocked,
    /// Consecutive failures closed a way of signing in: the password on unknown devices, or codes of six digits.
    GuessingStopped,
    /// The password was changed or reset.
    PasswordChanged,
    /// A replaced refresh token was used, and the session was ended.
    SessionStolen,
    /// A sign-in from a device that the account did not know.
    NewDevice,
    /// A credential was added.
    CredentialAdded(CredentialKind),
    /// A credential was removed.
    CredentialRemoved(CredentialKind),
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// Three recovery codes are left.
    RecoveryCodesLow,
    /// The identifier was changed. Goes to the previous identifier.
    IdentifierChanged,
    /// The previous identifier was restored.
    IdentifierRestored,
    /// The owner reported that it was not them, and the account was secured.
    AccountSecured,
    /// Every second factor will be removed unless the owner objects.
    FactorResetAnnounced,
    /// Every second factor was removed.
    FactorsReset,
    /// A passkey signed with a counter that did not increase, and was refused.
    PasskeyCopySuspected,
    /// A sign-in with a right first factor was ended after wrong second factors.
    SecondFactorRefused,
    /// The authenticator app was closed after too many wrong codes in a row.
    AuthenticatorClosed,
}

impl MessageKind {
    /// Every notice: all kinds except codes.
    pub fn notices() -> impl Iterator<Item = Self> {
        let plain = [
            Self::SignInLocked,
            Self::GuessingStopped,
            Self::PasswordChanged,
            Self::SessionStolen,
            Self::NewDevice,
            Self::RecoveryCodeUsed,
            Self::RecoveryCodesLow,
            Self::IdentifierChanged,
            Self::IdentifierRestored,
            Self::AccountSecured,
            Self::FactorResetAnnounced,
            Self::FactorsReset,
            Self::PasskeyCopySuspected,
            Self::SecondFactorRefused,
            Self::AuthenticatorClosed,
        ];
        let about_credentials = CredentialKind::ALL
            .into_iter()
            .flat_map(|kind| [Self::CredentialAdded(kind), Self::CredentialRemoved(kind)]);
        plain.into_iter().chain(about_credentials)
    }

    /// How often the owner gets such a notice; acts in between are gathered. `None` for what is sent every time: a
    /// code, a notice to another address than the one before it, the response to a link that works once, and what
    /// an operator triggers.
    pub const fn pace(self) -> Option<NoticePace> {
        match self {
            Self::PasswordChanged
            | Self::SessionStolen
            | Self::NewDevice
            | Self::CredentialAdded(_)
            | Self::CredentialRemoved(_)
            | Self::RecoveryCodeUsed
            | Self::RecoveryCodesLow => Some(NoticePace::ACT),
            Self::SignInLocked
            | Self::PasskeyCopySuspected
            | Self::SecondFactorRefused
            | Self::AuthenticatorClosed
            | Self::GuessingStopped => Some(NoticePace::ATTEMPT),
            Self::Code { .. }
            | Self::IdentifierChanged
            | Self::IdentifierRestored
            | Self::AccountSecured
            | Self::FactorResetAnnounced
            | Self::FactorsReset => None,
        }
    }
}

/// The recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// The account that has the identifier with this digest when the message is sent, if any.
    Subject(Subject),
    /// The owner of an account.
    Account(AccountId),
}

/// A message to be queued.
#[derive(Debug, Clone)]
pub struct MessageOrder {
    /// UUIDv7; providers use it to detect duplicates.
    pub id: Uuid,
    /// The kind of message.
    pub kind: MessageKind,
    /// The recipient.
    pub recipient: Recipient,
    /// The nonce of the link by which the owner reports that it was not them; only for notices.
    pub link: Option<CodeNonce>,
    /// The destination, when it is not the identifier of an account. For a code to a new identifier: the identifier
    /// as typed and, after a line break, the requested language; sealed for the service. For the notice of a
    /// change: the previous identifier, sealed under the person's key (`outbox_messages.typed_identifier`).
    pub typed_identifier: Option<Sealed>,
    /// For a summary: when it is due. It gathers acts until it is sent
    /// ([`NoticeRepository::gather`](super::NoticeRepository::gather)).
    pub gathers_until: Option<OffsetDateTime>,
    /// When it was requested.
    pub at: OffsetDateTime,
    /// The id of the request that caused it.
    pub request_id: RequestId,
}

/// Writes within a unit of work.
#[async_trait]
pub trait Outbox: Send {
    /// Queues events, in order, in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn append_events(&mut self, events: &[EventEnvelope]) -> Result<(), StoreError>;
    /// Queues a message.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn append_message(&mut self, message: &MessageOrder) -> Result<(), StoreError>;
}
