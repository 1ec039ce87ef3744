//! Delivery of events to another system.

use async_trait::async_trait;
use authentication_domain::{accounts::AccountId, events::EventId};
use time::{Duration, OffsetDateTime};

/// An event to be delivered. Its content is identical for every try.
#[derive(Debug, Clone)]
pub struct OutgoingEvent {
    /// The id by which receivers detect duplicates.
    pub id: EventId,
    /// CloudEvents `type`.
    pub type_name: String,
    /// CloudEvents `subject`: the account.
    pub account: AccountId,
    /// When it happened.
    pub at: OffsetDateTime,
    /// The complete CloudEvents 1.0 event as JSON (structured mode).
    pub body: String,
}

/// Why a delivery failed. The text holds no secret and nothing that the destination said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The destination is unreachable or cannot work: other events would fail too.
    #[error("{why}")]
    Away {
        /// The reason, in a few words.
        why: String,
        /// For how long the destination asks for a pause, for all events.
        retry_after: Option<Duration>,
    },
    /// The destination does not accept this event now, but may later.
    #[error("{why}")]
    Refused {
        /// The reason, in a few words.
        why: String,
        /// When the destination asks for a retry of this event.
        retry_after: Option<Duration>,
    },
    /// The destination will never accept this event.
    #[error("{0}")]
    Never(String),
    /// The destination wants no more events, until an operator switches it on again.
    #[error("{0}")]
    Gone(String),
}

impl SinkError {
    /// [`Self::Away`] without a retry time.
    pub fn away(why: impl Into<String>) -> Self {
        let why = why.into();
        let retry_after = None;
        Self::Away { why, retry_after }
    }

    /// [`Self::Refused`] without a retry time.
    pub fn refused(why: impl Into<String>) -> Self {
        let why = why.into();
        let retry_after = None;
        Self::Refused { why, retry_after }
    }
}

/// A destination of events.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Delivers the event within bounded time. Only `Ok` means delivered.
    ///
    /// # Errors
    /// [`SinkError`].
    async fn deliver(&self, event: &OutgoingEvent, now: OffsetDateTime) -> Result<(), SinkError>;
}
