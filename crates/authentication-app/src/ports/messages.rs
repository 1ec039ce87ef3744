//! Sending a message to a person.

use async_trait::async_trait;
use authentication_domain::accounts::Identifier;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::WrittenLetter;

/// How a person is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Mail.
    Email,
    /// Text message.
    Sms,
}

impl Channel {
    /// The name in stores and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
        }
    }

    /// As read from a store.
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

/// A message as it goes out. `Debug` shows neither recipient nor text.
pub struct Message {
    /// The same for every attempt: providers get it to recognise repetitions.
    pub id: Uuid,
    /// To whom.
    pub to: Identifier,
    /// How.
    pub channel: Channel,
    /// What.
    pub letter: WrittenLetter,
    /// The code in it, if it carries one, for the development mailbox.
    pub code: Option<String>,
    /// When this attempt is made.
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

/// Why a message did not go out, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It certainly did not, and may later. Other messages may fare better.
    #[error("the provider did not take the message{}", Status(*.status))]
    NotTaken {
        /// What the provider answered, if it did.
        status: Option<u16>,
        /// When it asks to be asked again.
        retry_after: Option<Duration>,
    },
    /// It certainly did not, and may later. The reason has nothing to do with it: the provider cannot be reached,
    /// or takes nothing from us now.
    #[error("the provider takes nothing now{}", Status(*.status))]
    Away {
        /// What the provider answered, if it did.
        status: Option<u16>,
        /// When it asks to be asked again.
        retry_after: Option<Duration>,
    },
    /// It did not and never will.
    #[error("the provider refuses the message{}", Status(*.status))]
    Refused {
        /// What the provider answered.
        status: Option<u16>,
    },
    /// It was handed over, and no answer came that would say what became of it.
    #[error("whether the provider took the message is not known")]
    Unknown,
    /// Nobody sends on this channel.
    #[error("no provider is configured for the channel")]
    NoProvider,
}

impl DeliveryError {
    /// No answer of the provider at all.
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
    /// Hands a message over, once. Every wait within has a deadline, and all together end within
    /// [`LONGEST_SENDING`].
    ///
    /// # Errors
    /// [`DeliveryError`] says what is known of the message. Whoever cannot tell that it did not go out says
    /// [`DeliveryError::Unknown`].
    async fn send(&self, message: &Message) -> Result<(), DeliveryError>;

    /// How many messages of a channel it can have on their way: more of them wait outside, where no time of
    /// theirs runs out.
    fn at_once(&self, _: Channel) -> usize {
        usize::MAX
    }
}

/// The longest that one sending may take. A lease is longer.
pub const LONGEST_SENDING: Duration = Duration::seconds(45);
