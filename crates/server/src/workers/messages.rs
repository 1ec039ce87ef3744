//! Message delivery, and the metric of its backlog.

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

/// The longest pause of the delivery worker without a wake-up: retries become due without one.
const MESSAGES_EVERY: Duration = Duration::from_secs(1);
/// How often the size of the backlog is measured.
const BACKLOG_EVERY: Duration = Duration::from_secs(15);

impl Workers {
    /// Delivers messages as they are queued. A separate worker measures the backlog: counting a long queue is slow,
    /// or fails, and must not slow down its delivery.
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
        // A delivery in progress must not be interrupted.
        self.deliveries.finish().await;
        Ok(())
    }

    /// Runs one round and returns how long to rest after it.
    async fn round(&mut self) -> Option<Duration> {
        let _turn = self.gate.read().await;
        match self.deliveries.round().await {
            Ok(delivered) => {
                self.pauses.begin_anew();
                (!delivered.may_be_more).then_some(MESSAGES_EVERY)
            }
            // Not left to the supervisor: it would wait for a delivery that hangs.
            Err(error) => {
                tracing::warn!(%error, "no message can be taken from the queue");
                Some(self.pauses.after_a_failure())
            }
        }
    }
}
