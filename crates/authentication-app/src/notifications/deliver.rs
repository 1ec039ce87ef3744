//! Sending what the outbox holds.
//!
//! Any number of workers may run: a lease makes each message one worker's at a time.

use std::time::Duration as StdDuration;

use time::Duration;
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;
use uuid::Uuid;

use super::Notifications;
use crate::ports::{LONGEST_SENDING, LeaseToken, Measure, QueueName, StoreError};

/// Messages taken at once.
const BATCH: usize = 32;
/// Messages on their way at once, on all channels.
const MOST_ON_THEIR_WAY: usize = 64;
/// How long a worker may hold a message: a sending, and the statements around it.
const LEASE: Duration = Duration::seconds(LONGEST_SENDING.whole_seconds() + 30);
/// How long a round waits for its messages. Slower ones go on beyond it, beside those of later rounds.
const PATIENCE: StdDuration = StdDuration::from_millis(500);

/// The worker: messages that are on their way now.
pub struct Deliveries {
    notifications: Notifications,
    on_their_way: JoinSet<Result<bool, StoreError>>,
}

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Messages taken from the queue.
    pub taken: usize,
    /// Messages that went out.
    pub sent: usize,
    /// Whether more may be due already, and there is room for them.
    pub may_be_more: bool,
}

impl Notifications {
    /// A worker with nothing on its way.
    pub fn deliveries(&self) -> Deliveries {
        Deliveries {
            notifications: self.clone(),
            on_their_way: JoinSet::new(),
        }
    }
}

impl Deliveries {
    /// Takes what is due, one batch, and sends it.
    ///
    /// # Errors
    /// [`StoreError`] when the queue cannot be read or written; a message that fails is tried again later.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn round(&mut self) -> Result<Delivered, StoreError> {
        let room = BATCH.min(MOST_ON_THEIR_WAY.saturating_sub(self.on_their_way.len()));
        let mut delivered = Delivered::default();
        if room > 0 {
            delivered.taken = self.take(room).await?;
        }
        // What is late goes on; only the waiting for it ends.
        let waited = tokio::time::timeout(PATIENCE, self.join_all(&mut delivered)).await;
        waited.unwrap_or(Ok(()))?;
        delivered.may_be_more =
            delivered.taken == room && self.on_their_way.len() < MOST_ON_THEIR_WAY;
        Ok(delivered)
    }

    /// Waits for what is on its way: whoever ends a worker leaves nothing half done.
    ///
    /// # Errors
    /// [`StoreError`] when what became of a message cannot be written down.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        self.join_all(&mut Delivered::default()).await
    }

    /// Waits for all, also when what became of one cannot be written down.
    async fn join_all(&mut self, delivered: &mut Delivered) -> Result<(), StoreError> {
        let mut done = Ok(());
        while let Some(ended) = self.on_their_way.join_next().await {
            match outcome(ended) {
                Ok(sent) => delivered.sent += usize::from(sent),
                Err(error) => {
                    tracing::warn!(%error, "what became of a message was not written down");
                    done = Err(error);
                }
            }
        }
        done
    }

    /// Tells whoever watches how long the queue is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tell_backlog(&self) -> Result<(), StoreError> {
        let base = &self.notifications.base;
        let backlog = base.store.message_backlog(base.clock.now()).await?;
        base.meter
            .note(Measure::Backlog(QueueName::Messages, backlog));
        Ok(())
    }

    async fn take(&mut self, most: usize) -> Result<usize, StoreError> {
        let base = &self.notifications.base;
        let token = LeaseToken(Uuid::from_bytes(base.random_bytes()));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let now = base.clock.now();
        let leased = base.store.lease_messages(most, token, LEASE, now).await?;
        let count = leased.len();
        // All at once: a lease must not run out while a message waits for slow ones before it.
        for message in leased {
            let notifications = self.notifications.clone();
            self.on_their_way
                .spawn(async move { notifications.attempt(&message).await }.in_current_span());
        }
        Ok(count)
    }
}

/// Whether a message went out. One that panicked did not, and comes back when its lease ends.
fn outcome(ended: Result<Result<bool, StoreError>, JoinError>) -> Result<bool, StoreError> {
    ended.unwrap_or_else(|_| {
        tracing::error!("the sending of a message panicked");
        Ok(false)
    })
}
