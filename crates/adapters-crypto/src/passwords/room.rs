//! Memory for hashes that need more than a thread keeps: those from an import, and those of a time with
//! larger parameters.
//!
//! Without a limit every thread could hold 100 MiB and more at one moment, and strangers who know some imported
//! addresses decide when.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use authentication_app::ports::HashError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Given out in KiB, in order of arrival.
pub(super) struct Room {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Counts somebody who waits, also when they give up.
struct Waiting<'a>(&'a AtomicUsize);

impl Room {
    /// What such hashes may take together: two of Django's argon2, or the largest that is taken from it.
    pub(super) const KIB: u32 = 1 << 18;

    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(Self::KIB as usize)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits until there are so many KiB. What is larger than all of the room gets all of it.
    /// They are the caller's until the permit is dropped.
    pub(super) async fn take(&self, kib: u32) -> Result<OwnedSemaphorePermit, HashError> {
        let _waiting = Waiting::on(&self.waiting);
        let free = Arc::clone(&self.free);
        let taken = free.acquire_many_owned(kib.min(Self::KIB)).await;
        taken.map_err(|_| HashError::Failed)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl<'a> Waiting<'a> {
    fn on(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
