//! How the caches do, by intent.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::Intent;

/// Every cache of one service with its counters. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<Arc<Counters>>>>);

impl Ledger {
    /// The counters of an intent, the same for whoever declares it again.
    pub fn open(&self, intent: Intent) -> Arc<Counters> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|it| it.intent.name == intent.name) {
            return Arc::clone(known);
        }
        let counters = Arc::new(Counters::of(intent));
        all.push(Arc::clone(&counters));
        counters
    }

    /// What was counted so far, in the order in which the caches were opened.
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

/// What [`Counters`] stood at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Of which cache.
    pub intent: Intent,
    /// Answered from the cache.
    pub hits: u64,
    /// Not answered from it. Fewer loads than misses: callers shared one.
    pub misses: u64,
    /// It could not be asked.
    pub unavailable: u64,
    /// Times the value was loaded because somebody waited for it.
    pub loads: u64,
    /// Times it was loaded in the background before its time was over.
    pub early_refreshes: u64,
    /// Loads of either kind that failed.
    pub failures: u64,
    /// Loads whose value was not kept, because it changed meanwhile.
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

    /// The cache knew.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// It did not.
    pub fn miss(&self) {
        self.misses.fetch_add(1, Ordering::Relaxed);
    }

    /// It could not be asked.
    pub fn unavailable(&self) {
        self.unavailable.fetch_add(1, Ordering::Relaxed);
    }

    /// A load began because somebody waits for it.
    pub fn load(&self) {
        self.loads.fetch_add(1, Ordering::Relaxed);
    }

    /// A load began in the background, before the value's time was over.
    pub fn early_refresh(&self) {
        self.early_refreshes.fetch_add(1, Ordering::Relaxed);
    }

    /// A load failed.
    pub fn failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// What was loaded was not kept, because it changed meanwhile.
    pub fn overtaken(&self) {
        self.overtaken.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted so far.
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
