//! Handing an event to another system.

use async_trait::async_trait;
use authentication_domain::{accounts::AccountId, events::EventId};
use time::{Duration, OffsetDateTime};

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
    #[error("{why}")]
    Away {
        /// In a few words.
        why: String,
        /// For how long it asks to be left alone, with any event.
        retry_after: Option<Duration>,
    },
    /// It does not take this event now; it may later.
    #[error("{why}")]
    Refused {
        /// In a few words.
        why: String,
        /// When it asks to be asked again about this event.
        retry_after: Option<Duration>,
    },
    /// It will never take this event.
    #[error("{0}")]
    Never(String),
    /// It wants no events any more, until an operator says otherwise.
    #[error("{0}")]
    Gone(String),
}

impl SinkError {
    /// [`Self::Away`], and it does not say for how long.
    pub fn away(why: impl Into<String>) -> Self {
        let why = why.into();
        let retry_after = None;
        Self::Away { why, retry_after }
    }

    /// [`Self::Refused`], and it does not say for how long.
    pub fn refused(why: impl Into<String>) -> Self {
        let why = why.into();
        let retry_after = None;
        Self::Refused { why, retry_after }
    }
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
