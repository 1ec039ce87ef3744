//! The queue of messages to people, as its workers and operators see it.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Backlog, Gathered, MessageOrder, StoreError};

/// Identifies one worker's lease. Once another worker has leased the message, a stale token can no longer change
/// it, however late its worker returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseToken(pub Uuid);

/// A message and the lease that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldMessage {
    /// The message's id.
    pub id: Uuid,
    /// The lease on it.
    pub lease: LeaseToken,
}

/// A queued message that this worker may send until its lease expires.
#[derive(Debug, Clone)]
pub struct LeasedMessage {
    /// The message order.
    pub order: MessageOrder,
    /// The lease on it.
    pub lease: LeaseToken,
    /// How many times it was leased before.
    pub attempts: u32,
    /// How many of those leases ended with [`GiveBack::Retry`]. In the others, the worker crashed or lost the
    /// lease.
    pub put_off: u32,
    /// The sum of its back-off so far.
    pub put_off_for: Duration,
    /// Whether it was counted under the global ceilings. When a worker crashed in between, this may be `false`
    /// although the message was counted.
    pub is_counted: bool,
    /// Whether it was handed to a provider before, without a recorded result.
    pub may_be_out: bool,
    /// The content of a summary that was closed before.
    pub gathered: Option<Gathered>,
}

impl LeasedMessage {
    /// The message and this lease, as the queue's operations take them.
    pub const fn held(&self) -> HeldMessage {
        HeldMessage {
            id: self.order.id,
            lease: self.lease,
        }
    }
}

/// The result of a lease request.
#[derive(Debug, Default)]
pub struct LeasedMessages {
    /// Oldest first.
    pub messages: Vec<LeasedMessage>,
    /// Leased too, but they cannot be read, each with the reason: permanently for [`StoreError::Corrupt`],
    /// temporarily for any other error. The readable messages are unaffected.
    pub unreadable: Vec<(HeldMessage, StoreError)>,
}

/// How an unfinished message is returned to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GiveBack {
    /// It was tried, or would have been if its provider accepted anything now: due again at this time.
    Retry {
        /// The time of the next attempt.
        at: OffsetDateTime,
        /// The back-off to be added to [`LeasedMessage::put_off_for`].
        counts_for: Duration,
        /// Whether it was counted under the ceilings, at this attempt or before.
        is_counted: bool,
    },
    /// It was certainly not tried: due again at this time, and this lease does not count as an attempt. Clears the
    /// record of an imminent hand-over, even if that is still being written.
    Wait(OffsetDateTime),
    /// It needs an operator's attention.
    Park {
        /// The current time, since when it is parked.
        at: OffsetDateTime,
        /// The reason for the operator: a few words, nothing personal.
        reason: String,
    },
}

/// The queue as the worker sees it, on the connection pool. Every change of a message requires its lease, and
/// returns `false` when the lease was lost: another worker then decides what happens to the message.
#[async_trait]
pub trait MessageQueue: Send + Sync {
    /// Leases up to `most` due messages for `lease`, oldest first, but codes before notices: three quarters of the
    /// batch are codes if that many are due, however many notices are due. No two workers hold the same message at
    /// once (`FOR UPDATE SKIP LOCKED` on PostgreSQL, the single writer on SQLite); an expired lease frees it.
    /// `token` identifies the lease and must be new for each call. Messages of a kind that this release does not
    /// know are left to a later release that runs beside it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lease_messages(
        &self,
        most: u32,
        token: LeaseToken,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<LeasedMessages, StoreError>;

    /// Records that the message is about to be handed to a provider, and that it was counted. Possible only once
    /// until it is given back: among concurrent calls, exactly one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn hand_over_message(
        &self,
        held: HeldMessage,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Deletes a message that was sent or never will be.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn finish_message(&self, held: HeldMessage) -> Result<bool, StoreError>;

    /// Returns an unfinished message to the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn give_back_message(&self, held: HeldMessage, how: GiveBack)
    -> Result<bool, StoreError>;

    /// The length of the queue.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn message_backlog(&self, now: OffsetDateTime) -> Result<Backlog, StoreError>;
}

/// A limit on the messages in a time window, for all recipients that share a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// What is counted together, such as `sms:day` or `sms:+23480:hour`. Nothing personal.
    pub scope: String,
    /// The length of the window. A window begins with the first message after the previous one ended.
    pub window: Duration,
    /// The maximum number of messages in a window.
    pub most: u32,
}

/// Whether a message fits under a ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CeilingClaim {
    /// It fits, and was counted.
    Granted,
    /// It does not fit, and was not counted.
    Full {
        /// When the window ends.
        until: OffsetDateTime,
        /// Whether this is the first refusal on any node since the window filled, which deserves a warning.
        first: bool,
    },
}

/// Ceilings over all messages, on the connection pool.
#[async_trait]
pub trait MessageCeilings: Send + Sync {
    /// Counts one message, unless the window is full. Never grants more than [`Ceiling::most`], even under
    /// concurrency.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_message(
        &self,
        ceiling: &Ceiling,
        now: OffsetDateTime,
    ) -> Result<CeilingClaim, StoreError>;
}

/// A message that waits for an operator, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedMessage {
    /// The message's id.
    pub id: Uuid,
    /// Its kind, by the name in the store, because this release may not know the kind.
    pub kind: String,
    /// The purpose of a code, by the name in the store; `None` for a notice.
    pub purpose: Option<String>,
    /// When it was requested.
    pub at: OffsetDateTime,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it is parked. `None` if an earlier release parked it.
    pub parked_at: Option<OffsetDateTime>,
    /// Why it was parked.
    pub reason: Option<String>,
}

/// What operators do with parked messages, on the connection pool. Other messages are not affected.
#[async_trait]
pub trait ParkedMessages: Send + Sync {
    /// Up to `most` parked messages, oldest first, beginning after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_parked_messages(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        most: u32,
    ) -> Result<Vec<ParkedMessage>, StoreError>;

    /// Makes a parked message due, as if it had never been tried; `false` if there is none with that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn resend_parked_message(
        &self,
        id: Uuid,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Makes all parked messages due; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn resend_all_parked_messages(&self, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// Deletes a parked message; `false` if there is none with that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete_parked_message(&self, id: Uuid) -> Result<bool, StoreError>;
}
