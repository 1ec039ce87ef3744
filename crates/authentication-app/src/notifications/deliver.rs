//! Sending what the outbox holds.
//!
//! Any number of workers may run: a lease makes each message one worker's at a time.

use std::{future::Future, time::Duration as StdDuration};

use time::Duration;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use uuid::Uuid;

use super::Notifications;
use crate::ports::{LONGEST_SENDING, LeaseToken, Measure, QueueName, StoreError};

/// Messages taken at once.
const BATCH: usize = 32;
/// Messages on their way at once, on all channels.
const MOST_ON_THEIR_WAY: usize = 64;
/// How long a worker may hold a message: a sending, and the statements around it.
pub(super) const LEASE: Duration = Duration::seconds(LONGEST_SENDING.whole_seconds() + 30);
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
    /// Messages that the store, or a fault of ours, let nobody deal with.
    pub failed: usize,
    /// Whether more may be due already, there is room for them, and nothing says that it is better to rest.
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

    /// Tells whoever watches how long the queue is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tell_backlog(&self) -> Result<(), StoreError> {
        let base = &self.base;
        let backlog = base.store.message_backlog(base.clock.now()).await?;
        base.meter
            .note(Measure::Backlog(QueueName::Messages, backlog));
        Ok(())
    }
}

impl Deliveries {
    /// Takes what is due, one batch, and sends it.
    ///
    /// # Errors
    /// [`StoreError`] when nothing can be taken from the queue. What becomes of a single message is no error of
    /// the round: the others go on, and it is due again, later.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn round(&mut self) -> Result<Delivered, StoreError> {
        let room = BATCH.min(MOST_ON_THEIR_WAY.saturating_sub(self.on_their_way.len()));
        let mut delivered = Delivered::default();
        if room > 0 {
            delivered.taken = self.take(room).await?;
        }
        // What is late goes on; only the waiting for it ends.
        let _ = tokio::time::timeout(PATIENCE, self.join_all(&mut delivered)).await;
        delivered.may_be_more = delivered.taken == room
            && delivered.failed == 0
            && self.on_their_way.len() < MOST_ON_THEIR_WAY;
        Ok(delivered)
    }

    /// Waits for what is on its way: whoever ends a worker leaves nothing half done.
    pub async fn finish(mut self) {
        self.join_all(&mut Delivered::default()).await;
    }

    async fn join_all(&mut self, delivered: &mut Delivered) {
        while let Some(ended) = self.on_their_way.join_next().await {
            match ended {
                Ok(Ok(sent)) => delivered.sent += usize::from(sent),
                // Told by its task already.
                Ok(Err(_)) => delivered.failed += 1,
                Err(error) => {
                    // Otherwise the runtime ends.
                    if error.is_panic() {
                        tracing::error!("the sending of a message panicked");
                    }
                    delivered.failed += 1;
                }
            }
        }
    }

    async fn take(&mut self, most: usize) -> Result<usize, StoreError> {
        let base = &self.notifications.base;
        let token = LeaseToken(Uuid::from_bytes(base.random_bytes()));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let now = base.clock.now();
        let leased = base.store.lease_messages(most, token, LEASE, now).await?;
        let count = leased.messages.len() + leased.unreadable.len();
        // All at once: a lease must not run out while a message waits for slow ones before it. One whose task
        // panics comes back when its lease ends, and is then what its mark says: a code that may be out is not
        // sent again.
        for message in leased.messages {
            let notifications = self.notifications.clone();
            self.send_on_its_way(message.order.id, async move {
                notifications.attempt(&message).await
            });
        }
        for (held, error) in leased.unreadable {
            let notifications = self.notifications.clone();
            self.send_on_its_way(held.id, async move {
                notifications.set_aside(held, &error).await?;
                Ok(false)
            });
        }
        Ok(count)
    }

    fn send_on_its_way(
        &mut self,
        message_id: Uuid,
        work: impl Future<Output = Result<bool, StoreError>> + Send + 'static,
    ) {
        let told = async move {
            let done = work.await;
            if let Err(error) = &done {
                tracing::warn!(%message_id, %error, "the store failed while a message was on its way");
            }
            done
        };
        self.on_their_way.spawn(told.in_current_span());
    }
}
