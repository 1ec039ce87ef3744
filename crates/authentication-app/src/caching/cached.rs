//! What one process remembers for a while.

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

/// How often a caller boards a flight before it is told that there is no answer.
const TRIES: u8 = 2;

/// Values by their key, each loaded once however many ask, and loaded anew before its time is over.
///
/// A failed load is told to those who waited for it and is not kept. [`Cached::forget`] wins over a load
/// that is under way: what that brings is not kept, and whoever asks later begins a new one.
/// Clones share the values.
pub struct Cached<K, V, E>(Arc<Inner<K, V, E>>);

struct Inner<K, V, E> {
    intent: Intent,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
    kept: Cache<K, Arc<Kept<V>>>,
    flights: Flights<K, Result<V, E>>,
    /// What was kept in an earlier one is forgotten.
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
    /// Remembers nothing yet.
    pub fn new(
        intent: Intent,
        ledger: &Ledger,
        clock: Arc<dyn Clock>,
        random: Arc<dyn SecureRandom>,
    ) -> Self {
        Self(Arc::new(Inner {
            counters: ledger.open(intent),
            // This one's own clock only frees memory, and bounds a life when the wall clock is set back.
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

    /// The value of `key`, from here or from `load`. What the load needs it must own: it may outlive its
    /// caller, and may run after this has answered.
    ///
    /// # Errors
    /// What `load` answers, or made of [`LoadLost`] when it panicked.
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

    /// The value of `key` is not true any more. Whoever asks after this has returned does not get it, nor
    /// what a load brings that began before.
    pub fn forget(&self, key: &K) {
        self.0.flights.overtake(key, || self.0.kept.invalidate(key));
    }

    /// The same for every key.
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
        // A value is as old as its load: what is read may change the moment after.
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

    /// Says so to one caller.
    fn is_to_be_refreshed(&self, kept: &Kept<V>) -> bool {
        self.intent.early_percent > 0
            && self.clock.now() >= kept.due
            && !kept.is_being_refreshed.swap(true, Ordering::Relaxed)
    }

    /// Called while no value can be forgotten.
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
    /// Names what it is for, and nothing that it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("intent", &self.0.intent.name)
            .finish_non_exhaustive()
    }
}
