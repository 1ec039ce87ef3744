//! The queue of messages to people, as its workers and its operators see it.

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Backlog, Gathered, MessageOrder, StoreError};

/// Names the hold of one worker on what it leased. Once somebody else has leased a message, the older token
/// changes nothing about it any more, however late its worker comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseToken(pub Uuid);

/// A message, and by which lease it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldMessage {
    /// The message.
    pub id: Uuid,
    /// The hold on it.
    pub lease: LeaseToken,
}

/// A queued message that this worker may send until its lease ends.
#[derive(Debug, Clone)]
pub struct LeasedMessage {
    /// The order.
    pub order: MessageOrder,
    /// The hold on it.
    pub lease: LeaseToken,
    /// How many times it was leased before.
    pub attempts: u32,
    /// How many of those ended in order, with [`GiveBack::Retry`]. After the others its worker was gone.
    pub put_off: u32,
    /// For how long it was put off, in all.
    pub put_off_for: Duration,
    /// It was counted under the ceilings over all messages. One whose worker ended in between may have been
    /// counted and says that it was not.
    pub is_counted: bool,
    /// It was handed to a provider before, and what became of it was never written down.
    pub may_be_out: bool,
    /// Of a summary that was closed before: what it tells of.
    pub gathered: Option<Gathered>,
}

impl LeasedMessage {
    /// What its worker names it by.
    pub const fn held(&self) -> HeldMessage {
        HeldMessage {
            id: self.order.id,
            lease: self.lease,
        }
    }
}

/// What a worker got from the queue.
#[derive(Debug, Default)]
pub struct LeasedMessages {
    /// Oldest first.
    pub messages: Vec<LeasedMessage>,
    /// Leased like the others, which have nothing to do with what is wrong here, and why each cannot be read:
    /// [`StoreError::Corrupt`] for ever, anything else for now.
    pub unreadable: Vec<(HeldMessage, StoreError)>,
}

/// How a message goes back that is not done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GiveBack {
    /// It was tried, or would have been if its provider took anything now: due again then.
    Retry {
        /// When.
        at: OffsetDateTime,
        /// What is added to [`LeasedMessage::put_off_for`].
        counts_for: Duration,
        /// Whether it was counted under the ceilings, at this attempt or before.
        is_counted: bool,
    },
    /// It was not tried, and whoever holds it says so: due again then, and this lease does not count as an
    /// attempt. That it was about to be handed over is forgotten, also if that is still being written.
    Wait(OffsetDateTime),
    /// A person has to look at it.
    Park {
        /// Since when.
        at: OffsetDateTime,
        /// For whoever looks: a few words, nothing personal.
        reason: String,
    },
}

/// The queue as the worker sees it, on the pool. Whatever changes a message asks for the hold on it, and
/// answers `false` when that was lost: then somebody else decides what becomes of the message.
#[async_trait]
pub trait MessageQueue: Send + Sync {
    /// Takes up to `most` due messages for `lease`, oldest first, but codes before notices: however many
    /// notices are due, three quarters of what is taken are codes if there are as many. No two workers hold one message at
    /// once (`FOR UPDATE SKIP LOCKED` on PostgreSQL, the single writer on SQLite); a lease that runs out
    /// frees it. `token` names the hold and must be new for each call. Messages of a kind that this release
    /// does not know are left to a later one that works beside it.
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

    /// Notes that the message is about to be handed to a provider, and that it was counted. Once only, until
    /// it is given back: of all who try, one is told `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn hand_over_message(
        &self,
        held: HeldMessage,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Removes a message that was sent or will not be.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn finish_message(&self, held: HeldMessage) -> Result<bool, StoreError>;

    /// Gives a message back that is not done with.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn give_back_message(&self, held: HeldMessage, how: GiveBack)
    -> Result<bool, StoreError>;

    /// How long the queue is.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn message_backlog(&self, now: OffsetDateTime) -> Result<Backlog, StoreError>;
}

/// How many messages may go out within a time, for all recipients that share a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// What is counted together, such as `sms:day` or `sms:+23480:hour`. Nothing personal.
    pub scope: String,
    /// Over how long. Begins with the first message and begins anew after it.
    pub window: Duration,
    /// How many.
    pub most: u32,
}

/// Whether a message fits under a ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CeilingClaim {
    /// It does, and is counted.
    Granted,
    /// It does not, and nothing is counted.
    Full {
        /// When the window ends.
        until: OffsetDateTime,
        /// The first refusal since the window filled, on whichever node: worth a warning.
        first: bool,
    },
}

/// Ceilings over all messages, on the pool.
#[async_trait]
pub trait MessageCeilings: Send + Sync {
    /// Counts one message, unless the window is full. Never grants more than [`Ceiling::most`], whoever
    /// asks at the same moment.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_message(
        &self,
        ceiling: &Ceiling,
        now: OffsetDateTime,
    ) -> Result<CeilingClaim, StoreError>;
}

/// A message that waits for a person, as that person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedMessage {
    /// Its id.
    pub id: Uuid,
    /// What, by the name in the store: it may be of a kind that this release does not know.
    pub kind: String,
    /// What the code is for, if it is one, by the name in the store.
    pub purpose: Option<String>,
    /// When it was asked for.
    pub at: OffsetDateTime,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when it waits. Absent if an earlier release parked it.
    pub parked_at: Option<OffsetDateTime>,
    /// Why.
    pub reason: Option<String>,
}

/// What operators do about parked messages, on the pool. Others are not touched.
#[async_trait]
pub trait ParkedMessages: Send + Sync {
    /// Up to `most` of them, oldest first, those after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_parked_messages(
        &self,
        after: Option<(OffsetDateTime, Uuid)>,
        most: u32,
    ) -> Result<Vec<ParkedMessage>, StoreError>;

    /// Makes a parked message due, as if it had never been tried; `false` if there is none of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn resend_parked_message(
        &self,
        id: Uuid,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Makes all parked messages due; answers with how many.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn resend_all_parked_messages(&self, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// Deletes a parked message; `false` if there is none of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn delete_parked_message(&self, id: Uuid) -> Result<bool, StoreError>;
}
