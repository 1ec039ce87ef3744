//! The queue of events as the relay sees it.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    events::{EventId, QueuedEvent},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;

/// What a relay asks for.
#[derive(Debug, Clone, Copy)]
pub struct LeaseRequest<'a> {
    /// Whose events.
    pub destination: &'a str,
    /// How many at the most, each of another account or another parked event.
    pub most: u32,
    /// Marks what is leased as this relay's; another one for each request.
    pub token: Uuid,
    /// When the lease ends.
    pub until: OffsetDateTime,
    /// The current time.
    pub now: OffsetDateTime,
}

/// The right to deliver one event, for as long as nobody else leased it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// To whom.
    pub destination: String,
    /// Whose events are in order: while one of an account is leased, no later one of it is.
    pub account: AccountId,
    /// Its place among all events of the account.
    pub sequence: i64,
    /// Whether it was parked and is sent again, out of the order.
    pub resent: bool,
    /// Which request it was leased with.
    pub token: Uuid,
}

/// An event that this relay may deliver until its lease ends.
#[derive(Debug, Clone)]
pub struct LeasedEvent {
    /// The right to.
    pub lease: Lease,
    /// The event.
    pub event: QueuedEvent,
    /// How many times it was leased before.
    pub attempts: u32,
    /// How many of these ended with a failure that was written down; the others ended with their relay.
    pub put_off: u32,
}

/// An event that was given up at a destination.
#[derive(Debug, Clone)]
pub struct ParkedEvent {
    /// Who did not get it.
    pub destination: String,
    /// Which.
    pub id: EventId,
    /// Its place in the queue.
    pub sequence: i64,
    /// CloudEvents `type`.
    pub type_name: String,
    /// Whose.
    pub account: AccountId,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// When it was given up.
    pub parked_at: OffsetDateTime,
    /// Tries.
    pub attempts: u32,
    /// What came of the last one.
    pub failure: String,
}

/// Which parked events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkedSelection {
    /// One, at every destination where it is parked.
    One(EventId),
    /// All, everywhere.
    All,
}

/// How a destination stands: the numbers behind metrics and alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationBacklog {
    /// Its name.
    pub destination: String,
    /// Accounts that have events it has not got; parked ones do not count.
    pub accounts_waiting: u64,
    /// When the oldest event happened that it has not got; parked ones do not count.
    pub oldest_waiting: Option<OffsetDateTime>,
    /// Parked events.
    pub parked: u64,
    /// When a relay last said that it serves it.
    pub served_at: OffsetDateTime,
    /// Until when it asked to be left alone; may be over.
    pub rests_until: Option<OffsetDateTime>,
    /// Since when it is switched off, and why.
    pub off: Option<SwitchedOff>,
}

/// A destination that wants no events any more. What is written meanwhile waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchedOff {
    /// Since when.
    pub at: OffsetDateTime,
    /// What it answered.
    pub reason: String,
}

/// What came of switching a destination on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchedOn {
    /// It gets events from here on, and what waited first.
    Done,
    /// It got them all the time.
    WasOn,
    /// There is none of this name.
    Unknown,
}

/// The queue, on the pool.
///
/// Each destination gets the events of an account in the order in which they were committed, each at least
/// once. An event is handed out only when the destination has every earlier one of the account, but for
/// those that were parked.
#[async_trait]
pub trait EventQueue: Send + Sync {
    /// Says that the destination is served. One that is new gets the events that are written from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn serve_destination(&self, name: &str, now: OffsetDateTime) -> Result<(), StoreError>;

    /// Ends the deliveries to a destination and drops what waits for it. `false` when there is none of this
    /// name.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_destination(&self, name: &str) -> Result<bool, StoreError>;

    /// Hands out nothing for the destination before `until`, on any node. The later of two times counts.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rest_destination(&self, name: &str, until: OffsetDateTime) -> Result<(), StoreError>;

    /// Hands out nothing for the destination until it is switched on, on any node; what is written meanwhile waits
    /// for it. Of all who say so, one is told `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn switch_destination_off(
        &self,
        name: &str,
        off: &SwitchedOff,
    ) -> Result<bool, StoreError>;

    /// Hands out events for the destination again, also if it asked to be left alone, and makes due at once what it
    /// had put off.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn switch_destination_on(
        &self,
        name: &str,
        now: OffsetDateTime,
    ) -> Result<SwitchedOn, StoreError>;

    /// Takes what is due: of each account the earliest event that the destination has not got. No two relays
    /// hold one at once; a lease that runs out frees it. A lease counts as a try.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lease_events(
        &self,
        request: &LeaseRequest<'_>,
    ) -> Result<Vec<LeasedEvent>, StoreError>;

    /// A destination has these events; the next one of each account is due. Says of each, in the order of
    /// `leases`, whether it was still held: nothing is done for one that somebody else leased meanwhile.
    ///
    /// # Errors
    /// [`StoreError`]; some may be done then, and all may be finished again.
    async fn finish_events(
        &self,
        leases: &[Lease],
        now: OffsetDateTime,
    ) -> Result<Vec<bool>, StoreError>;

    /// Gives it back after a failure, due again at `next_attempt`. `false` as above.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn postpone_event(
        &self,
        lease: &Lease,
        next_attempt: OffsetDateTime,
        failure: &str,
    ) -> Result<bool, StoreError>;

    /// Gives it back, due again at `due`: the lease was no try. `false` as above.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn give_event_back(
        &self,
        lease: &Lease,
        due: OffsetDateTime,
        failure: &str,
    ) -> Result<bool, StoreError>;

    /// Takes it out of the order, for a person to look at; the account's next event is due. `false` as above.
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

    /// Makes parked events due again, with all their tries; answers with how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn resend_parked_events(
        &self,
        which: ParkedSelection,
        now: OffsetDateTime,
    ) -> Result<u64, StoreError>;

    /// How every destination stands, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn event_backlog(&self) -> Result<Vec<DestinationBacklog>, StoreError>;

    /// Deletes events that happened before this and wait for no destination, parked or not. In batches;
    /// answers with how many went.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn purge_events(&self, before: OffsetDateTime) -> Result<u64, StoreError>;
}
