//! Sending messages, and telling how many wait.

use std::{sync::Arc, time::Duration};

use authentication_app::{
    notifications::{Deliveries, Notifications},
    ports::StoreError,
};
use tokio::{
    sync::{Notify, RwLock},
    time::sleep,
};

use super::{Pauses, Stop, Workers};

/// How long the sender of messages rests when nothing wakes it: messages become due by themselves too.
const MESSAGES_EVERY: Duration = Duration::from_secs(1);
/// How often it is told how many messages wait.
const BACKLOG_EVERY: Duration = Duration::from_secs(15);

impl Workers {
    /// Sends messages as they are queued. How many wait is told by a worker of its own: counting a long queue
    /// takes long, or fails, and must not be what keeps it long.
    pub(crate) fn deliver_messages(&mut self, notifications: Notifications, queued: Arc<Notify>) {
        self.watch_messages(notifications.clone());
        let (gate, random) = (self.gate(), Arc::clone(&self.random));
        self.supervise("messages", move |stop| {
            let work = DeliveryWork {
                deliveries: notifications.deliveries(),
                queued: Arc::clone(&queued),
                gate: Arc::clone(&gate),
                pauses: Pauses::new(Arc::clone(&random)),
                stop,
            };
            work.run()
        });
    }

    fn watch_messages(&mut self, notifications: Notifications) {
        let gate = self.gate();
        self.supervise("message metrics", move |mut stop| {
            let (notifications, gate) = (notifications.clone(), Arc::clone(&gate));
            async move {
                loop {
                    let turn = gate.read().await;
                    notifications.tell_backlog().await?;
                    drop(turn);
                    tokio::select! {
                        () = stop.requested() => return Ok(()),
                        () = sleep(BACKLOG_EVERY) => {}
                    }
                }
            }
        });
    }
}

struct DeliveryWork {
    deliveries: Deliveries,
    queued: Arc<Notify>,
    gate: Arc<RwLock<()>>,
    pauses: Pauses,
    stop: Stop,
}

impl DeliveryWork {
    async fn run(mut self) -> Result<(), StoreError> {
        while !self.stop.is_requested() {
            if let Some(rest) = self.round().await {
                tokio::select! {
                    () = self.stop.requested() => {}
                    () = self.queued.notified() => {}
                    () = sleep(rest) => {}
                }
            }
        }
        // A message on its way must not be cut off.
        self.deliveries.finish().await;
        Ok(())
    }

    /// How long to rest after it.
    async fn round(&mut self) -> Option<Duration> {
        let _turn = self.gate.read().await;
        match self.deliveries.round().await {
            Ok(delivered) => {
                self.pauses.begin_anew();
                (!delivered.may_be_more).then_some(MESSAGES_EVERY)
            }
            // Not left to the supervision: what hangs on its way would have to end first.
            Err(error) => {
                tracing::warn!(%error, "no message can be taken from the queue");
                Some(self.pauses.after_a_failure())
            }
        }
    }
}
