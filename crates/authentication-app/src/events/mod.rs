//! Delivery of events to other systems.

mod pace;
mod parked;
mod relay;

use std::sync::Arc;

use common::Clock;
use time::Duration;

pub use pace::Pace;
pub use relay::{Destination, Handed, Outcome, Relay, RelayPorts, RelayRules};

use crate::ports::{
    Backlog, DestinationBacklog, EventQueue, Measure, Meter, QueueName, StoreError, SwitchedOn,
};

/// The operator's and maintenance use cases for events.
#[derive(Clone)]
pub struct Events {
    pub(crate) queue: Arc<dyn EventQueue>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Events {
    /// Called once, by the composition root.
    pub const fn new(queue: Arc<dyn EventQueue>, clock: Arc<dyn Clock>) -> Self {
        Self { queue, clock }
    }

    /// The state of every destination.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn backlog(&self) -> Result<Vec<DestinationBacklog>, StoreError> {
        let (mut all, now) = (self.queue.event_backlog().await?, self.clock.now());
        for destination in &mut all {
            // A pause that is over is not reported.
            destination.rests_until = destination.rests_until.filter(|until| *until > now);
        }
        Ok(all)
    }

    /// The age of the oldest undelivered event of a destination, not counting parked ones; zero when there is none.
    pub fn lag(&self, backlog: &DestinationBacklog) -> Duration {
        let since = backlog.oldest_waiting;
        since.map_or(Duration::ZERO, |since| {
            (self.clock.now() - since).max(Duration::ZERO)
        })
    }

    /// Reports metrics over all destinations: the total waiting, the longest lag, and how many are switched off.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn measure(&self, meter: &dyn Meter) -> Result<(), StoreError> {
        let (mut all, mut off) = (Backlog::default(), 0);
        for destination in self.backlog().await? {
            all.waiting += destination.accounts_waiting;
            all.parked += destination.parked;
            all.lag = all.lag.max(self.lag(&destination).unsigned_abs());
            off += u64::from(destination.off.is_some());
        }
        meter.note(Measure::DestinationsOff(off));
        meter.note(Measure::Backlog(QueueName::Events, all));
        Ok(())
    }

    /// Switches a destination on again, or ends the pause it asked for, beginning with the queued events.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn switch_on(&self, destination: &str) -> Result<SwitchedOn, StoreError> {
        let now = self.clock.now();
        let switched = self.queue.switch_destination_on(destination, now).await?;
        if switched == SwitchedOn::Done {
            tracing::info!(destination, "a destination is switched on");
        }
        Ok(switched)
    }

    /// Ends the deliveries to a destination and drops its queue; `false` when there is no destination of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget(&self, destination: &str) -> Result<bool, StoreError> {
        self.queue.forget_destination(destination).await
    }

    /// Deletes events that are older than `kept_for` and that every destination has; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn purge(&self, kept_for: Duration) -> Result<u64, StoreError> {
        self.queue.purge_events(self.clock.now() - kept_for).await
    }
}
