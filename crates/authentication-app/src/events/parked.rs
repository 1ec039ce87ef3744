//! Events that were given up, and sending them once more.

use super::Events;
use crate::ports::{ParkedEvent, ParkedSelection, StoreError};

/// Parked events read at once.
const BATCH: u32 = 500;

impl Events {
    /// Hands every parked event to `show`, destination by destination, oldest first; ends with its first
    /// failure.
    ///
    /// # Errors
    /// [`StoreError`], or what `show` fails with.
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

    /// Makes parked events due again, with all their tries; answers with how many. They come after later
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
