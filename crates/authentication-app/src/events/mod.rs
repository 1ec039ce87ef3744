//! Events on their way to other systems.

mod pace;
mod parked;
mod relay;

use std::sync::Arc;

use common::Clock;
use time::Duration;

pub use pace::Pace;
pub use relay::{Destination, Handed, Outcome, Relay, RelayPorts, RelayRules};

use crate::ports::{
    Backlog, DestinationBacklog, EventQueue, Measure, Meter, QueueName, StoreError,
};

/// What an operator asks about events, and upkeep does with them.
#[derive(Clone)]
pub struct Events {
    pub(crate) queue: Arc<dyn EventQueue>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Events {
    /// Built once by the composition root.
    pub const fn new(queue: Arc<dyn EventQueue>, clock: Arc<dyn Clock>) -> Self {
        Self { queue, clock }
    }

    /// How every destination stands.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backlog(&self) -> Result<Vec<DestinationBacklog>, StoreError> {
        self.queue.event_backlog().await
    }

    /// How long the oldest event waits that a destination has not got, parked ones aside; zero when none does.
    pub fn lag(&self, backlog: &DestinationBacklog) -> Duration {
        let since = backlog.oldest_waiting;
        since.map_or(Duration::ZERO, |since| {
            (self.clock.now() - since).max(Duration::ZERO)
        })
    }

    /// Tells the meter how all destinations stand together: what waits anywhere, and the longest wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn measure(&self, meter: &dyn Meter) -> Result<(), StoreError> {
        let mut all = Backlog::default();
        for destination in self.backlog().await? {
            all.waiting += destination.accounts_waiting;
            all.parked += destination.parked;
            all.lag = all.lag.max(self.lag(&destination).unsigned_abs());
        }
        meter.note(Measure::Backlog(QueueName::Events, all));
        Ok(())
    }

    /// Ends the deliveries to a destination and drops what waits for it; `false` when there is none of this
    /// name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget(&self, destination: &str) -> Result<bool, StoreError> {
        self.queue.forget_destination(destination).await
    }

    /// Deletes events that are older than `kept_for` and that every destination has; answers with how many.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn purge(&self, kept_for: Duration) -> Result<u64, StoreError> {
        self.queue.purge_events(self.clock.now() - kept_for).await
    }
}
