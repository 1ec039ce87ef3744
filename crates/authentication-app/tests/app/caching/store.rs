//! A slow place to load from, which does what a test says.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::{Notify, oneshot};

/// Holds one number, and gives it when it is let.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlowStore(Arc<State>);

#[derive(Debug, Default)]
struct State {
    version: AtomicU64,
    begun: AtomicU64,
    is_slow: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    began: Notify,
}

impl SlowStore {
    /// Every read waits until it is let go on.
    pub(crate) fn slow() -> Self {
        let store = Self::default();
        store.slow_down();
        store
    }

    /// From here on reads wait.
    pub(crate) fn slow_down(&self) {
        self.0.is_slow.store(true, Ordering::SeqCst);
    }

    /// From here on reads answer at once.
    pub(crate) fn hurry(&self) {
        self.0.is_slow.store(false, Ordering::SeqCst);
        while self.let_one_go_on(0) {}
    }

    /// Reads first and waits then: what it brings may be old by the time it comes.
    pub(crate) async fn read(&self) -> u64 {
        let read = self.version();
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        if self.0.is_slow.load(Ordering::SeqCst) {
            let (go_on, told) = oneshot::channel();
            self.0.waiting.lock().unwrap().push(go_on);
            self.0.began.notify_waiters();
            drop(told.await);
        }
        self.0.began.notify_waiters();
        read
    }

    /// Lets a read go on: the first, or whichever `which` means.
    pub(crate) fn let_one_go_on(&self, which: usize) -> bool {
        let mut waiting = self.0.waiting.lock().unwrap();
        let count = waiting.len();
        count > 0 && waiting.remove(which % count).send(()).is_ok()
    }

    /// Comes back when so many reads have begun in all.
    pub(crate) async fn until_begun(&self, reads: u64) {
        loop {
            let began = self.0.began.notified();
            if self.begun() >= reads {
                return;
            }
            began.await;
        }
    }

    pub(crate) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::SeqCst)
    }

    /// The number is another one from here on.
    pub(crate) fn change(&self) -> u64 {
        self.0.version.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// Lets all tasks of a runtime of one thread go as far as they can by themselves.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
