//! Single flight: of all who ask for the same thing at once, one loads it.
//!
//! A load has a task of its own. So a caller that goes away strands nobody, the first one neither; and a
//! load that panics ends its flight and nothing else.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use tracing::Instrument as _;

/// The load ended without an answer: it panicked, or the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the load that was waited for ended without an answer")]
pub struct LoadLost;

/// The loads that are under way, by what they load. Clones share them.
pub struct Flights<K, V>(Arc<Mutex<UnderWay<K, V>>>);

struct UnderWay<K, V> {
    flights: HashMap<K, Numbered<V>>,
    begun: u64,
}

struct Numbered<V> {
    number: u64,
    flight: Flight<V>,
}

/// A load to wait for.
pub struct Flight<V>(watch::Receiver<Option<V>>);

/// How a caller got its flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boarding {
    /// Nobody was loading: it began with this call.
    Began,
    /// It was under way.
    Joined,
}

impl<K, V> Flights<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// None are under way.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(UnderWay {
            flights: HashMap::new(),
            begun: 0,
        })))
    }

    /// The flight that loads `key`: the one under way, or one that begins now with what `load` makes.
    ///
    /// When it lands `keep` gets the value, unless the flight was overtaken meanwhile, and then every
    /// caller does. `keep` must be quick, and nobody is told that the flight is over before it returns.
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
        // Held by the task, so that the flight leaves the list however the task ends.
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

    /// What is loaded for `key` right now is not true any more: whoever asks from here on begins anew,
    /// and `meanwhile` happens before a flight can land or begin.
    pub fn overtake(&self, key: &K, meanwhile: impl FnOnce()) {
        let mut under_way = self.lock();
        under_way.flights.remove(key);
        meanwhile();
    }

    /// The same for everything.
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
    /// What was loaded.
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

/// What a flight brought.
#[derive(Debug)]
pub enum Landing<'a, V> {
    /// Nothing came in between: it may be kept.
    InTime(&'a V),
    /// [`Flights::overtake`] did: only those who waited for it get it.
    Overtaken(&'a V),
}

/// Where one flight comes down.
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
    /// Before the channel closes: who hears of that and boards again must not find this flight.
    fn drop(&mut self) {
        leave(&mut self.flights.lock(), &self.key, self.number);
    }
}

/// Takes a flight from the list; whether it was there still.
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
