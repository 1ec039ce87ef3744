//! An in-process cache.

use std::{
    fmt,
    future::Future,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use common::{Clock, SecureRandom};
use moka::sync::Cache;
use time::OffsetDateTime;

use super::{Boarding, Counters, Flight, Flights, Intent, Landing, Ledger, LoadLost};

/// How many flights a caller joins before it gets an error.
const TRIES: u8 = 2;

/// Values by key. Each is loaded once for any number of concurrent callers, and refreshed before it expires.
///
/// A failed load is returned to the callers that waited for it, and is not cached. [`Cached::forget`] overrides a
/// load in progress: its value is not cached, and later callers begin a new load. Clones share the values.
pub struct Cached<K, V, E>(Arc<Inner<K, V, E>>);

struct Inner<K, V, E> {
    intent: Intent,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
    kept: Cache<K, Arc<Kept<V>>>,
    flights: Flights<K, Result<V, E>>,
    /// Values cached in an earlier epoch are invalid.
    epoch: AtomicU64,
}

struct Kept<V> {
    value: V,
    epoch: u64,
    due: OffsetDateTime,
    until: OffsetDateTime,
    is_being_refreshed: AtomicBool,
}

impl<K, V, E> Cached<K, V, E>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    E: From<LoadLost> + Clone + Send + Sync + 'static,
{
    /// An empty cache.
    pub fn new(
        intent: Intent,
        ledger: &Ledger,
        clock: Arc<dyn Clock>,
        random: Arc<dyn SecureRandom>,
    ) -> Self {
        Self(Arc::new(Inner {
            counters: ledger.open(intent),
            // The inner cache's own clock only frees memory, and bounds a value's life when the wall clock is set
            // back.
            kept: Cache::builder()
                .max_capacity(intent.capacity)
                .time_to_live(intent.ttl.unsigned_abs())
                .build(),
            flights: Flights::new(),
            epoch: AtomicU64::new(0),
            intent,
            clock,
            random,
        }))
    }

    /// The value of `key`, from the cache or from `load`. The load must own everything it needs: it may outlive its
    /// caller, and may run after this has returned.
    ///
    /// # Errors
    /// The error of `load`, or one made from [`LoadLost`] when the load panicked.
    pub async fn get<F>(&self, key: &K, load: impl Fn() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let counters = &self.0.counters;
        if let Some(kept) = self.0.find(key) {
            counters.hit();
            if self.0.is_to_be_refreshed(&kept) {
                counters.early_refresh();
                self.board(key, &load);
            }
            return Ok(kept.value.clone());
        }
        counters.miss();
        for _ in 0..TRIES {
            let (flight, boarding) = self.board(key, &load);
            if boarding == Boarding::Began {
                counters.load();
            }
            match flight.landed().await {
                Ok(landed) => return landed,
                Err(LoadLost) if boarding == Boarding::Began => counters.failure(),
                Err(LoadLost) => {}
            }
        }
        Err(LoadLost.into())
    }

    /// Invalidates the value of `key`. A caller that asks after this has returned gets neither that value, nor one
    /// from a load that began before.
    pub fn forget(&self, key: &K) {
        self.0.flights.overtake(key, || self.0.kept.invalidate(key));
    }

    /// Invalidates the values of every key.
    pub fn forget_everything(&self) {
        self.0.flights.overtake_all(|| {
            self.0.epoch.fetch_add(1, Ordering::SeqCst);
            self.0.kept.invalidate_all();
        });
    }

    fn board<F>(&self, key: &K, load: &impl Fn() -> F) -> (Flight<Result<V, E>>, Boarding)
    where
        F: Future<Output = Result<V, E>> + Send + 'static,
    {
        let (here, kept_as) = (Arc::clone(&self.0), key.clone());
        // A value's age counts from the beginning of its load: what is read may change right afterwards.
        let begun = self.0.clock.now();
        let keep = move |landing: Landing<'_, _>| here.keep(kept_as, begun, &landing);
        self.0.flights.board(key.clone(), load, keep)
    }
}

impl<K, V, E> Inner<K, V, E>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn find(&self, key: &K) -> Option<Arc<Kept<V>>> {
        let kept = self.kept.get(key)?;
        let is_current = kept.epoch == self.epoch.load(Ordering::SeqCst);
        (is_current && self.clock.now() < kept.until).then_some(kept)
    }

    /// Whether a refresh is due; `true` for only one caller.
    fn is_to_be_refreshed(&self, kept: &Kept<V>) -> bool {
        self.intent.early_percent > 0
            && self.clock.now() >= kept.due
            && !kept.is_being_refreshed.swap(true, Ordering::Relaxed)
    }

    /// Called under the lock of the flights, so that no invalidation runs concurrently.
    fn keep(&self, key: K, begun: OffsetDateTime, landing: &Landing<'_, Result<V, E>>) {
        match landing {
            Landing::InTime(Ok(value)) => {
                let life = self.intent.life(self.random.as_ref());
                let kept = Kept {
                    value: value.clone(),
                    epoch: self.epoch.load(Ordering::SeqCst),
                    due: life.due(begun),
                    until: life.until(begun),
                    is_being_refreshed: AtomicBool::new(false),
                };
                self.kept.insert(key, Arc::new(kept));
            }
            Landing::Overtaken(Ok(_)) => self.counters.overtaken(),
            Landing::InTime(Err(_)) | Landing::Overtaken(Err(_)) => self.counters.failure(),
        }
    }
}

impl<K, V, E> Clone for Cached<K, V, E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V, E> fmt::Debug for Cached<K, V, E> {
    /// Shows only the cache's name, none of its values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("intent", &self.0.intent.name)
            .finish_non_exhaustive()
    }
}
