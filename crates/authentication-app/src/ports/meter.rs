//! Metrics: the facts that the service reports about its operation.
//!
//! Facts and their labels come from closed sets, so that nothing personal can be reported and the number of series
//! is bounded. `docs/metrics.md` maps each fact to its metrics.

mod labels;

use std::{fmt, time::Duration};

pub use labels::{
    CodeOutcome, CodePurpose, DeliveryOutcome, EventTarget, Label, MessageChannel, NoticeOutcome,
    QueueName, RefreshOutcome, RegistrationOutcome, SignInMethod, SignInOutcome,
};

/// One fact to be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// An attempt to sign in.
    SignIn(SignInMethod, SignInOutcome),
    /// A registration was requested or completed.
    Registration(RegistrationOutcome),
    /// A refresh token was presented.
    Refresh(RefreshOutcome),
    /// A code was requested or presented.
    Code(CodePurpose, CodeOutcome),
    /// A notice to the owner of an account.
    Notice(NoticeOutcome),
    /// An attempt to deliver a message to a person.
    Message(MessageChannel, DeliveryOutcome),
    /// An attempt to deliver an event to another system.
    Event(EventTarget, DeliveryOutcome),
    /// How long a password hash waited for a thread.
    HashWaited(Duration),
    /// How long a password hash took to compute, without the wait.
    HashComputed(Duration),
    /// A password hash was refused because the queue was full.
    HashRefused,
    /// The length of a queue. The last reported value holds.
    Backlog(QueueName, Backlog),
    /// The number of event destinations that are switched off. The last reported value holds.
    DestinationsOff(u64),
}

/// The length of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Entries that wait for their turn.
    pub waiting: u64,
    /// Entries that were given up, and wait for an operator.
    pub parked: u64,
    /// How long ago the oldest due entry became due.
    pub lag: Duration,
}

/// Receives facts.
pub trait Meter: Send + Sync {
    /// Records one fact. Never waits and never fails: it may be called anywhere, even between a commit and its
    /// response.
    fn note(&self, measure: Measure);
}

impl fmt::Debug for dyn Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meter")
    }
}

/// Discards every fact, for a service without metrics.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn note(&self, _: Measure) {}
}
