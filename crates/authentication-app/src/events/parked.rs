//! Events that were given up, and resending them.

use super::Events;
use crate::ports::{ParkedEvent, ParkedSelection, StoreError};

/// The number of parked events read per query.
const BATCH: u32 = 500;

impl Events {
    /// Passes every parked event to `show`, by destination, oldest first; stops at its first failure.
    ///
    /// # Errors
    /// [`StoreError`], or the error of `show`.
    pub async fn for_each_parked<E: From<StoreError>>(
        &self,
        mut show: impl FnMut(&ParkedEvent) -> Result<(), E>,
    ) -> Result<(), E> {
        for destination in self.queue.event_backlog().await? {
            let mut after = 0;
            loop {
                let name = &destination.destination;
                let parked = self.queue.list_parked_events(name, after, BATCH).await?;
                parked.iter().try_for_each(&mut show)?;
                let Some(last) = parked.last() else { break };
                after = last.sequence;
            }
        }
        Ok(())
    }

    /// Makes parked events due again with a fresh count of tries; returns how many. They are delivered after later
    /// events of their account.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn resend(&self, which: ParkedSelection) -> Result<u64, StoreError> {
        let resent = self
            .queue
            .resend_parked_events(which, self.clock.now())
            .await?;
        tracing::info!(resent, "parked events are due again");
        Ok(resent)
    }
}
