//! Whether there is room for writes on the disk.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// For this long, a write that found the disk full outweighs successful ones: a small write may fit where a larger one
/// did not, and a flickering condition is of no use.
const OUTWEIGHS: Duration = Duration::from_secs(2);

/// When a write last found the disk full, if none has succeeded since (see [`OUTWEIGHS`]). Logs changes only, not each
/// write.
#[derive(Default)]
pub(super) struct Room(Mutex<Option<Instant>>);

impl Room {
    pub(super) fn is_full(&self) -> bool {
        self.lock().is_some()
    }

    pub(super) fn note_full(&self) {
        if self.lock().replace(Instant::now()).is_none() {
            tracing::error!("the disk is full: what writes to the database is refused");
        }
    }

    pub(super) fn note_written(&self) {
        let mut full = self.lock();
        if full.is_some_and(|at| at.elapsed() >= OUTWEIGHS) {
            *full = None;
            tracing::info!("the database has room again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_disk_is_full_until_something_was_written_a_while_after() {
        let room = Room::default();
        room.note_written();
        assert!(!room.is_full());
        room.note_full();
        room.note_written();
        assert!(room.is_full(), "a small write still fitted");
        tokio::time::advance(OUTWEIGHS).await;
        assert!(room.is_full(), "nothing was written since");
        room.note_written();
        assert!(!room.is_full());
    }
}
