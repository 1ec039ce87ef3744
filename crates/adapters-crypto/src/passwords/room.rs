//! Memory for hashes that need more than a thread keeps: imported ones, and those from a time with larger
//! parameters.
//!
//! Without a limit, every thread could hold 100 MiB and more at the same time, triggered by anyone who knows
//! some imported addresses.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use authentication_app::ports::HashError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A memory budget in KiB, granted in order of arrival.
pub(super) struct Room {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Counts a waiting caller, also when it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl Room {
    /// The total memory of such hashes: two of Django's argon2 hashes, or the largest one that is accepted.
    pub(super) const KIB: u32 = 1 << 18;

    pub(super) fn new() -> Self {
        Self {
            free: Arc::new(Semaphore::new(Self::KIB as usize)),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Waits until `kib` KiB are free. A larger request than the whole budget takes all of it. The memory is
    /// reserved until the permit is dropped.
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
