//! Handing an event to another system.

use async_trait::async_trait;
use authentication_domain::{accounts::AccountId, events::EventId};
use time::OffsetDateTime;

/// An event as it goes out. All of it is the same for every try.
#[derive(Debug, Clone)]
pub struct OutgoingEvent {
    /// By which receivers recognise repetitions.
    pub id: EventId,
    /// CloudEvents `type`.
    pub type_name: String,
    /// CloudEvents `subject`.
    pub account: AccountId,
    /// When it happened.
    pub at: OffsetDateTime,
    /// The whole of it, CloudEvents 1.0 as JSON (structured mode).
    pub body: String,
}

/// Why a destination has not got an event, in words that hold no secret and nothing that it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Nobody answers, or whoever does cannot work: other events would fare no better.
    #[error("{0}")]
    Away(String),
    /// It does not take this event now; it may later.
    #[error("{0}")]
    Refused(String),
    /// It will never take it.
    #[error("{0}")]
    Never(String),
}

/// A destination.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Delivers the event; it counts as delivered only if this says so. In bounded time.
    ///
    /// # Errors
    /// [`SinkError`].
    async fn deliver(&self, event: &OutgoingEvent, now: OffsetDateTime) -> Result<(), SinkError>;
}
