//! What must be told to others once the unit is committed: events, and messages to people.

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

/// An event on its way out (CloudEvents 1.0).
#[derive(Debug, Clone)]
pub struct EventEnvelope {
    /// The same for every delivery.
    pub id: EventId,
    /// When it happened.
    pub at: OffsetDateTime,
    /// What happened.
    pub event: Event,
    /// The request it came with.
    pub request_id: RequestId,
}

/// What is to be told to a person. The text is made when it is sent; nothing personal is queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A one-time code. Who gets it, and whether anybody does, is found out at sending.
    Code {
        /// What for.
        purpose: Purpose,
        /// Which sending: a newer one makes this one void.
        nonce: CodeNonce,
    },
    /// Sign-in was closed for a while after failures.
    SignInLocked,
    /// Failures in a row closed a way of signing in: the password on unknown devices, or codes of six digits.
    GuessingStopped,
    /// The password was changed or reset.
    PasswordChanged,
    /// A replaced refresh token was used and the session ended.
    SessionStolen,
    /// Somebody signed in from a device that the account did not know.
    NewDevice,
    /// Another way of proving who one is was added.
    CredentialAdded(CredentialKind),
    /// One was taken away.
    CredentialRemoved(CredentialKind),
    /// A recovery code was used.
    RecoveryCodeUsed,
    /// Three recovery codes are left.
    RecoveryCodesLow,
    /// The account has another identifier. Goes to the one before.
    IdentifierChanged,
    /// The identifier is the one before again.
    IdentifierRestored,
    /// The owner said that it was not them, and what follows from that was done.
    AccountSecured,
    /// Every second factor will be taken off, unless the owner objects.
    FactorResetAnnounced,
    /// Every second factor was taken off.
    FactorsReset,
    /// A passkey signed with a counter that did not grow, and was refused.
    PasskeyCopySuspected,
    /// A sign-in whose first factor was right ended with wrong second factors.
    SecondFactorRefused,
    /// The authenticator app was closed after too many wrong codes in a row.
    AuthenticatorClosed,
}

impl MessageKind {
    /// Every notice there is: what is no code.
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

    /// How often the owner is told of it; what follows sooner is gathered. `None` for what goes out each time: a
    /// code, what goes to another address than the notice before it, what answers to a link that counts once,
    /// and what an operator sets off.
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

/// To whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// Whoever has the identifier with this digest when the message is sent, if anybody.
    Subject(Subject),
    /// An account.
    Account(AccountId),
}

/// A message to be queued.
#[derive(Debug, Clone)]
pub struct MessageOrder {
    /// UUIDv7; providers get it to recognise repetitions.
    pub id: Uuid,
    /// What.
    pub kind: MessageKind,
    /// To whom.
    pub recipient: Recipient,
    /// Names the link by which the owner says that it was not them: for notices alone.
    pub link: Option<CodeNonce>,
    /// To where, when that is no account's identifier. For a code to a new identifier: as it was typed and,
    /// after a line break, the language asked for; sealed for the service. For the notice of a change: the
    /// identifier before, under the person's key (`outbox_messages.typed_identifier`).
    pub typed_identifier: Option<Sealed>,
    /// Of a summary: when it is due. Until it is sent it takes in what happens
    /// ([`NoticeRepository::gather`](super::NoticeRepository::gather)).
    pub gathers_until: Option<OffsetDateTime>,
    /// When it was asked for.
    pub at: OffsetDateTime,
    /// The request it came with.
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
