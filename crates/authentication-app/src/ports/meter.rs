//! Telling whoever watches the service how it does.
//!
//! What can be told is a closed set of facts with labels out of closed sets: nothing personal can be
//! told, and the number of series is bounded. `docs/metrics.md` says what becomes of each.

mod labels;

use std::{fmt, time::Duration};

pub use labels::{
    CodeOutcome, CodePurpose, DeliveryOutcome, EventTarget, Label, MessageChannel, NoticeOutcome,
    QueueName, RefreshOutcome, RegistrationOutcome, SignInMethod, SignInOutcome,
};

/// One fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Somebody tried to sign in.
    SignIn(SignInMethod, SignInOutcome),
    /// Somebody asked for an account, or got it.
    Registration(RegistrationOutcome),
    /// A refresh token was brought.
    Refresh(RefreshOutcome),
    /// A code was asked for, or brought.
    Code(CodePurpose, CodeOutcome),
    /// The owner of an account was to be told of something.
    Notice(NoticeOutcome),
    /// A message to a person was tried.
    Message(MessageChannel, DeliveryOutcome),
    /// An event for another system was tried.
    Event(EventTarget, DeliveryOutcome),
    /// A password hash waited so long for its thread.
    HashWaited(Duration),
    /// A password hash was computed in so long, without the wait.
    HashComputed(Duration),
    /// A password hash was refused, because too many waited.
    HashRefused,
    /// How long a queue is. The last one told holds.
    Backlog(QueueName, Backlog),
    /// How many destinations of events are switched off. The last one told holds.
    DestinationsOff(u64),
}

/// How long a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// What waits for its turn.
    pub waiting: u64,
    /// What was given up, and waits for a person to look at it.
    pub parked: u64,
    /// How long the oldest that is due has been due.
    pub lag: Duration,
}

/// Takes facts in.
pub trait Meter: Send + Sync {
    /// Counts one fact. Never waits and never fails: it is called wherever something happens, between a
    /// commit and its answer too.
    fn note(&self, measure: Measure);
}

impl fmt::Debug for dyn Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

/// For whom nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn note(&self, _: Measure) {}
}
