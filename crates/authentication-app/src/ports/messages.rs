//! Sending a message to a person.

use async_trait::async_trait;
use authentication_domain::accounts::{Identifier, SignUpMethod};
use time::OffsetDateTime;
use uuid::Uuid;

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
        match identifier.method() {
            SignUpMethod::Email => Self::Email,
            SignUpMethod::Phone => Self::Sms,
        }
    }
}

/// A message as it goes out. `Debug` shows neither recipient nor text.
pub struct Message {
    /// The same for every attempt.
    pub id: Uuid,
    /// To whom.
    pub to: Identifier,
    /// How.
    pub channel: Channel,
    /// Empty for text messages.
    pub subject: String,
    /// Plain text.
    pub text: String,
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

/// Why a message did not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It may work later.
    #[error("the provider cannot take the message right now")]
    Transient,
    /// It will never work.
    #[error("the provider refuses the message")]
    Permanent,
}

/// A provider of mail or text messages.
#[async_trait]
pub trait MessageSender: Send + Sync {
    /// # Errors
    /// [`DeliveryError`] says whether it is worth another try.
    async fn send(&self, message: &Message) -> Result<(), DeliveryError>;
}
