//! Sending the messages in the outbox.
//!
//! Any number of workers may run: a lease gives each message to one worker at a time.

use std::{future::Future, time::Duration as StdDuration};

use time::Duration;
use tokio::task::JoinSet;
use tracing::Instrument as _;
use uuid::Uuid;

use super::Notifications;
use crate::ports::{LONGEST_SENDING, LeaseToken, Measure, QueueName, StoreError};

/// The maximum number of messages leased at once.
const BATCH: usize = 32;
/// The maximum number of concurrent sends, over all channels.
const MOST_ON_THEIR_WAY: usize = 64;
/// How long a worker may hold a message: the longest send, and the statements around it.
pub(super) const LEASE: Duration = Duration::seconds(LONGEST_SENDING.whole_seconds() + 30);
/// How long a round waits for its messages. Slower ones continue beside those of later rounds.
const PATIENCE: StdDuration = StdDuration::from_millis(500);

/// The worker, with the messages that it is sending now.
pub struct Deliveries {
    notifications: Notifications,
    on_their_way: JoinSet<Result<bool, StoreError>>,
}

/// The result of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Messages leased from the queue.
    pub taken: usize,
    /// Messages sent.
    pub sent: usize,
    /// Messages that could not be handled because of the store or an internal fault.
    pub failed: usize,
    /// Whether another round should follow at once: more messages may be due, there are free slots, and no failure
    /// suggests a pause.
    pub may_be_more: bool,
}

impl Notifications {
    /// A new worker.
    pub fn deliveries(&self) -> Deliveries {
        Deliveries {
            notifications: self.clone(),
            on_their_way: JoinSet::new(),
        }
    }

    /// Reports the length of the queue as a metric.
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
    /// Leases one batch of due messages and sends them.
    ///
    /// # Errors
    /// [`StoreError`] when nothing can be leased. The failure of a single message is no error of the round: the
    /// others continue, and the message becomes due again later.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn round(&mut self) -> Result<Delivered, StoreError> {
        let room = BATCH.min(MOST_ON_THEIR_WAY.saturating_sub(self.on_their_way.len()));
        let mut delivered = Delivered::default();
        if room > 0 {
            delivered.taken = self.take(room).await?;
        }
        // Slow messages continue; only the wait for them ends.
        let _ = tokio::time::timeout(PATIENCE, self.join_all(&mut delivered)).await;
        delivered.may_be_more = delivered.taken == room
            && delivered.failed == 0
            && self.on_their_way.len() < MOST_ON_THEIR_WAY;
        Ok(delivered)
    }

    /// Waits for all messages that are being sent, so that a worker can stop without leaving any half done.
    pub async fn finish(mut self) {
        self.join_all(&mut Delivered::default()).await;
    }

    async fn join_all(&mut self, delivered: &mut Delivered) {
        while let Some(ended) = self.on_their_way.join_next().await {
            match ended {
                Ok(Ok(sent)) => delivered.sent += usize::from(sent),
                // Already logged by its task.
                Ok(Err(_)) => delivered.failed += 1,
                Err(error) => {
                    // Otherwise the runtime is shutting down.
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
        // All start at once: a lease must not expire while its message waits behind slow ones. If a task panics,
        // its message returns when the lease expires, and its hand-over record applies: a code that may have been
        // sent is not sent again.
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
