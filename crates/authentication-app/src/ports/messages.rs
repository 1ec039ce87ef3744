//! Sending a message to a person.

use async_trait::async_trait;
use authentication_domain::accounts::Identifier;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::WrittenLetter;

/// The channel that reaches a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Mail.
    Email,
    /// Text message.
    Sms,
}

impl Channel {
    /// The channel's name in stores and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// The channel with this name, as read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Email, Self::Sms]
            .into_iter()
            .find(|channel| channel.as_str() == name)
    }

    /// The channel that reaches an identifier.
    pub const fn of(identifier: &Identifier) -> Self {
        match identifier {
            Identifier::Email(_) => Self::Email,
            Identifier::Phone(_) => Self::Sms,
        }
    }
}

/// A message to be sent. `Debug` shows neither recipient nor text.
pub struct Message {
    /// The same for every attempt, so that providers can detect duplicates.
    pub id: Uuid,
    /// The recipient.
    pub to: Identifier,
    /// The channel.
    pub channel: Channel,
    /// The rendered text.
    pub letter: WrittenLetter,
    /// The code in the text, if there is one, for the development mailbox.
    pub code: Option<String>,
    /// The time of this attempt.
    pub at: OffsetDateTime,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// Why a message was not sent, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// Certainly not sent; a retry may succeed. Other messages may succeed now.
    #[error("the provider did not take the message{}", Status(*.status))]
    NotTaken {
        /// The provider's HTTP status, if it answered.
        status: Option<u16>,
        /// The delay that the provider asks for.
        retry_after: Option<Duration>,
    },
    /// Certainly not sent; a retry may succeed. The cause lies outside the message: the provider is unreachable, or
    /// accepts nothing from this service now.
    #[error("the provider takes nothing now{}", Status(*.status))]
    Away {
        /// The provider's status, if it answered.
        status: Option<u16>,
        /// The delay that the provider asks for.
        retry_after: Option<Duration>,
    },
    /// Not sent, and never will be.
    #[error("the provider refuses the message{}", Status(*.status))]
    Refused {
        /// The provider's status, if it answered.
        status: Option<u16>,
    },
    /// Handed over, but no response says whether it was accepted.
    #[error("whether the provider took the message is not known")]
    Unknown,
    /// No provider is configured for this channel.
    #[error("no provider is configured for the channel")]
    NoProvider,
}

impl DeliveryError {
    /// The provider did not answer at all.
    pub const UNREACHED: Self = Self::Away {
        status: None,
        retry_after: None,
    };
}

struct Status(Option<u16>);

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(status) => write!(f, " (it answered {status})"),
            None => Ok(()),
        }
    }
}

/// A provider of mail or text messages.
#[async_trait]
pub trait MessageSender: Send + Sync {
    /// Hands a message over, once. Every wait has a deadline, and the call ends within [`LONGEST_SENDING`].
    ///
    /// # Errors
    /// [`DeliveryError`] says what is known about the message. When it is not certain that the message was not
    /// sent, the error must be [`DeliveryError::Unknown`].
    async fn send(&self, message: &Message) -> Result<(), DeliveryError>;

    /// How many messages of a channel it can send concurrently. Further messages wait in the caller, where none of
    /// their deadlines run.
    fn at_once(&self, _: Channel) -> usize {
        usize::MAX
    }
}

/// The longest duration of one send. A lease lasts longer.
pub const LONGEST_SENDING: Duration = Duration::seconds(45);
