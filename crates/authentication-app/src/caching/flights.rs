//! Single flight: concurrent callers that ask for the same key share one load, which prevents a cache stampede.
//!
//! Each load runs in a separate task. So a caller that goes away, even the first one, does not affect the others,
//! and a load that panics ends only its own flight.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing::Instrument as _;

/// The load ended without a result: it panicked, or the process is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the load that was waited for ended without an answer")]
pub struct LoadLost;

/// The loads in progress, by key. Clones share them.
pub struct Flights<K, V>(Arc<Mutex<UnderWay<K, V>>>);

struct UnderWay<K, V> {
    flights: HashMap<K, Numbered<V>>,
    begun: u64,
}

struct Numbered<V> {
    number: u64,
    flight: Flight<V>,
}

/// A load in progress, to be awaited.
pub struct Flight<V>(watch::Receiver<Option<V>>);

/// How a caller got its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boarding {
    /// No load was in progress: it began with this call.
    Began,
    /// A load was already in progress.
    Joined,
}

impl<K, V> Flights<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty set of flights.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(UnderWay {
            flights: HashMap::new(),
            begun: 0,
        })))
    }

    /// The flight that loads `key`: the one in progress, or a new one that runs `load`.
    ///
    /// When the flight lands, `keep` gets the value and whether the flight was overtaken; then every caller gets
    /// it. `keep` must be fast: no caller is woken before it returns.
    pub fn board<F>(
        &self,
        key: K,
        load: impl FnOnce() -> F,
        keep: impl FnOnce(Landing<'_, V>) + Send + 'static,
    ) -> (Flight<V>, Boarding)
    where
        F: Future<Output = V> + Send + 'static,
    {
        let (tell, landing) = watch::channel(None);
        let flight = Flight(landing);
        let number = {
            let mut under_way = self.lock();
            if let Some(known) = under_way.flights.get(&key) {
                return (known.flight.clone(), Boarding::Joined);
            }
            under_way.begun += 1;
            let number = under_way.begun;
            let flight = flight.clone();
            under_way
                .flights
                .insert(key.clone(), Numbered { number, flight });
            number
        };
        // Owned by the task, so that the flight is removed from the list however the task ends.
        let runway = Runway {
            flights: self.clone(),
            key,
            number,
            tell,
        };
        let load = load();
        let task = async move {
            let value = load.await;
            runway.land(value, keep);
        };
        tokio::spawn(task.in_current_span());
        (flight, Boarding::Began)
    }

    /// Invalidates the load of `key` in progress: later callers begin a new one. `meanwhile` runs under the lock,
    /// before any flight can land or begin.
    pub fn overtake(&self, key: &K, meanwhile: impl FnOnce()) {
        let mut under_way = self.lock();
        under_way.flights.remove(key);
        meanwhile();
    }

    /// The same for every key.
    pub fn overtake_all(&self, meanwhile: impl FnOnce()) {
        let mut under_way = self.lock();
        under_way.flights.clear();
        meanwhile();
    }
}

impl<K, V> Flights<K, V> {
    fn lock(&self) -> MutexGuard<'_, UnderWay<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Clone for Flights<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for Flights<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights")
            .field("under_way", &self.lock().flights.len())
            .finish_non_exhaustive()
    }
}

impl<V: Clone> Flight<V> {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`LoadLost`].
    pub async fn landed(mut self) -> Result<V, LoadLost> {
        let landed = self.0.wait_for(Option::is_some).await;
        landed.ok().and_then(|it| it.clone()).ok_or(LoadLost)
    }
}

impl<V> Clone for Flight<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<V> fmt::Debug for Flight<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flight")
    }
}

/// The result of a flight.
#[derive(Debug)]
pub enum Landing<'a, V> {
    /// The flight was not overtaken: its value may be cached.
    InTime(&'a V),
    /// [`Flights::overtake`] was called meanwhile: only the callers that waited for it get the value.
    Overtaken(&'a V),
}

/// Completes one flight.
struct Runway<K: Eq + Hash, V> {
    flights: Flights<K, V>,
    key: K,
    number: u64,
    tell: watch::Sender<Option<V>>,
}

impl<K: Eq + Hash, V> Runway<K, V> {
    fn land(self, value: V, keep: impl FnOnce(Landing<'_, V>)) {
        {
            let mut under_way = self.flights.lock();
            if leave(&mut under_way, &self.key, self.number) {
                keep(Landing::InTime(&value));
            } else {
                keep(Landing::Overtaken(&value));
            }
        }
        self.tell.send_replace(Some(value));
    }
}

impl<K: Eq + Hash, V> Drop for Runway<K, V> {
    /// Removes the flight before the channel closes: a caller that sees the closed channel and boards again must
    /// not find this flight.
    fn drop(&mut self) {
        leave(&mut self.flights.lock(), &self.key, self.number);
    }
}

/// Removes a flight from the list; returns whether it was still there.
fn leave<K: Eq + Hash, V>(under_way: &mut UnderWay<K, V>, key: &K, number: u64) -> bool {
    let is_there = under_way
        .flights
        .get(key)
        .is_some_and(|it| it.number == number);
    if is_there {
        under_way.flights.remove(key);
    }
    is_there
}
