//! The event queue as the relay sees it.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    events::{EventId, QueuedEvent},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;

/// A relay's request for events.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest<'a> {
    /// The destination whose events are requested.
    pub destination: &'a str,
    /// The maximum number of events; each is of a different account, or a parked event to be resent.
    pub most: u32,
    /// Identifies this lease request; unique for each request.
    pub token: Uuid,
    /// When the lease expires.
    pub until: OffsetDateTime,
    /// The current time.
    pub now: OffsetDateTime,
}

/// The right to deliver one event, until another relay leases it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The destination's name.
    pub destination: String,
    /// The account, whose events are delivered in order: while one is leased, no later one of the account is.
    pub account: AccountId,
    /// The event's place among all events of the account.
    pub sequence: i64,
    /// Whether it was parked and is now resent, out of order.
    pub resent: bool,
    /// The token of the lease request.
    pub token: Uuid,
}

/// An event that this relay may deliver until the lease expires.
#[derive(Debug, Clone)]
pub struct LeasedEvent {
    /// The lease.
    pub lease: Lease,
    /// The event.
    pub event: QueuedEvent,
    /// How many times it was leased before.
    pub attempts: u32,
    /// How many of these leases ended with a recorded failure; in the others, the relay crashed or lost the lease.
    pub put_off: u32,
}

/// An event whose delivery to a destination was given up.
#[derive(Debug, Clone)]
pub struct ParkedEvent {
    /// The destination that did not get it.
    pub destination: String,
    /// The event's id.
    pub id: EventId,
    /// Its place in the queue.
    pub sequence: i64,
    /// CloudEvents `type`.
    pub type_name: String,
    /// The account that it is about.
    pub account: AccountId,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// When it was given up.
    pub parked_at: OffsetDateTime,
    /// How often delivery was tried.
    pub attempts: u32,
    /// The failure of the last try.
    pub failure: String,
}

/// Selects parked events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedSelection {
    /// One event, at every destination where it is parked.
    One(EventId),
    /// All events, at all destinations.
    All,
}

/// The state of a destination, for metrics and alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationBacklog {
    /// Its name.
    pub destination: String,
    /// Accounts with undelivered events, not counting parked ones.
    pub accounts_waiting: u64,
    /// When the oldest undelivered event happened, not counting parked ones.
    pub oldest_waiting: Option<OffsetDateTime>,
    /// The number of parked events.
    pub parked: u64,
    /// When a relay last registered that it serves the destination.
    pub served_at: OffsetDateTime,
    /// Until when the destination asked for a pause; may be in the past.
    pub rests_until: Option<OffsetDateTime>,
    /// Since when it is switched off, and why; `None` when it is on.
    pub off: Option<SwitchedOff>,
}

/// Why and since when a destination receives no events. New events queue up for it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchedOff {
    /// When it was switched off.
    pub at: OffsetDateTime,
    /// The destination's response.
    pub reason: String,
}

/// The result of switching a destination on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchedOn {
    /// It now receives events again, beginning with the queued ones.
    Done,
    /// It was not switched off.
    WasOn,
    /// No destination has this name.
    Unknown,
}

/// The event queue, on the connection pool.
///
/// Each destination gets the events of an account in commit order, each at least once. An event is handed out only
/// when the destination has every earlier event of the account, except parked ones.
#[async_trait]
pub trait EventQueue: Send + Sync {
    /// Registers that the destination is served. A new destination gets the events that are written from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn serve_destination(&self, name: &str, now: OffsetDateTime) -> Result<(), StoreError>;

    /// Ends the deliveries to a destination and drops its queue. `false` when there is no destination of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_destination(&self, name: &str) -> Result<bool, StoreError>;

    /// Pauses the destination until `until`, on every node. An earlier time never shortens a pause.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rest_destination(&self, name: &str, until: OffsetDateTime) -> Result<(), StoreError>;

    /// Switches the destination off on every node until it is switched on again; new events queue up meanwhile.
    /// Among concurrent calls, exactly one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn switch_destination_off(
        &self,
        name: &str,
        off: &SwitchedOff,
    ) -> Result<bool, StoreError>;

    /// Switches the destination on again, ends any pause it asked for, and makes postponed events due at once.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn switch_destination_on(
        &self,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<SwitchedOn, StoreError>;

    /// Leases due events: for each account, the earliest event that the destination does not have. No two relays
    /// hold the same event at once; an expired lease frees it. Each lease counts as a try.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lease_events(
        &self,
        request: &LeaseRequest<'_>,
    ) -> Result<Vec<LeasedEvent>, StoreError>;

    /// Marks events as delivered; the next event of each account becomes due. Returns for each lease, in the order
    /// of `leases`, whether it was still held: nothing is done for an event that another relay leased meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]; some events may be done then, and all may be finished again.
    async fn finish_events(
        &self,
        leases: &[Lease],
        now: OffsetDateTime,
    ) -> Result<Vec<bool>, StoreError>;

    /// Returns an event to the queue after a failure, due again at `next_attempt`. `false` when the lease was lost.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn postpone_event(
        &self,
        lease: &Lease,
        next_attempt: OffsetDateTime,
        failure: &str,
    ) -> Result<bool, StoreError>;

    /// Returns an event to the queue, due again at `due`, without counting a try. `false` when the lease was lost.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn give_event_back(
        &self,
        lease: &Lease,
        due: OffsetDateTime,
        failure: &str,
    ) -> Result<bool, StoreError>;

    /// Parks an event for an operator to look at; the account's next event becomes due. `false` when the lease was
    /// lost.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn park_event(
        &self,
        lease: &Lease,
        attempts: u32,
        failure: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Parked events of a destination, oldest first, after this place in the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_parked_events(
        &self,
        destination: &str,
        after: i64,
        most: u32,
    ) -> Result<Vec<ParkedEvent>, StoreError>;

    /// Makes parked events due again with a fresh count of tries; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn resend_parked_events(
        &self,
        which: ParkedSelection,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError>;

    /// The state of every destination, sorted by name.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn event_backlog(&self) -> Result<Vec<DestinationBacklog>, StoreError>;

    /// Deletes events that happened before this time and that no destination waits for or has parked. Works in
    /// batches; returns the number of deleted events.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn purge_events(&self, before: OffsetDateTime) -> Result<u64, StoreError>;
}
