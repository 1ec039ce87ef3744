//! Counters of the caches, by intent.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::Intent;

/// The counters of all caches of one service. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Arc<Counters>>>>);

impl Ledger {
    /// The counters of an intent; opening it again returns the same ones.
    pub fn open(&self, intent: Intent) -> Arc<Counters> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|it| it.intent.name == intent.name) {
            return Arc::clone(known);
        }
        let counters = Arc::new(Counters::of(intent));
        all.push(Arc::clone(&counters));
        counters
    }

    /// The current counters, in the order in which the caches were opened.
    pub fn read(&self) -> Vec<Figures> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|counters| counters.read()).collect()
    }
}

/// The counters of one intent.
#[derive(Debug)]
pub struct Counters {
    intent: Intent,
    hits: AtomicU64,
    misses: AtomicU64,
    unavailable: AtomicU64,
    loads: AtomicU64,
    early_refreshes: AtomicU64,
    failures: AtomicU64,
    overtaken: AtomicU64,
}

/// A snapshot of [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The intent of the cache.
    pub intent: Intent,
    /// Answered from the cache.
    pub hits: u64,
    /// Not in the cache. There are fewer loads than misses when callers share one.
    pub misses: u64,
    /// The cache was unavailable.
    pub unavailable: u64,
    /// Loads for which a caller waited.
    pub loads: u64,
    /// Loads in the background before the value expired.
    pub early_refreshes: u64,
    /// Loads of either kind that failed.
    pub failures: u64,
    /// Loads whose value was not cached because it was invalidated meanwhile.
    pub overtaken: u64,
}

impl Counters {
    fn of(intent: Intent) -> Self {
        Self {
            intent,
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            unavailable: AtomicU64::default(),
            loads: AtomicU64::default(),
            early_refreshes: AtomicU64::default(),
            failures: AtomicU64::default(),
            overtaken: AtomicU64::default(),
        }
    }

    /// Counts a hit.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a miss.
    pub fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request while the cache was unavailable.
    pub fn unavailable(&self) {
        self.unavailable.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a load for which a caller waits.
    pub fn load(&self) {
        self.loads.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a load in the background, before the value expires.
    pub fn early_refresh(&self) {
        self.early_refreshes.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a failed load.
    pub fn failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a value that was not cached because it was invalidated meanwhile.
    pub fn overtaken(&self) {
        self.overtaken.fetch_add(1, Ordering::Relaxed);
    }

    /// A snapshot of the counters.
    pub fn read(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Figures {
            intent: self.intent,
            hits: read(&self.hits),
            misses: read(&self.misses),
            unavailable: read(&self.unavailable),
            loads: read(&self.loads),
            early_refreshes: read(&self.early_refreshes),
            failures: read(&self.failures),
            overtaken: read(&self.overtaken),
        }
    }
}
