//! Rate limiting on this node.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use authentication_app::ports::{
    CacheError, Throttle, ThrottleKey, ThrottleOutcome, ThrottleRequest,
};
use common::clock::{self, Clock};

use crate::window::{Window, part_width};

const SHARDS: usize = 64;

/// The most windows in each shard. All shards together hold a quarter of a million, about 60 MiB when all are in use.
const MOST_WINDOWS: usize = 4_096;

/// How often a shard removes expired windows, in milliseconds.
const SWEEP_EVERY: i64 = 60_000;

/// Sliding-window counters of this process.
///
/// Exact for simultaneous calls, and never more than the quota in any window; `window.rs` has the rule, which the
/// counters in Redis share. Expired windows are removed about a minute later, if the shard is used. If more windows are
/// active than there is room for, those that would expire first are dropped. By then a quarter of a million different
/// callers have been counted at once, and limits per caller mean little.
pub struct MemoryThrottle {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct Shard {
    windows: HashMap<WindowKey, Window>,
    next_sweep: i64,
}

/// A key may be counted in windows of several lengths.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct WindowKey {
    key: ThrottleKey,
    width: i64,
}

/// The shard and the window in which a request is counted.
struct Place {
    shard: usize,
    key: WindowKey,
    quota: u32,
    /// The empty window, used until the first call is counted.
    untouched: Window,
}

impl MemoryThrottle {
    /// A throttle without any counted calls.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            clock,
        }
    }

    fn count_all(&self, requests: &[ThrottleRequest]) -> Vec<ThrottleOutcome> {
        let now = clock::to_micros(self.clock.now()).div_euclid(1_000);
        let places: Vec<Place> = requests
            .iter()
            .map(|request| self.place_of(request))
            .collect();
        let mut shards = self.lock(&places);
        let judged: Vec<ThrottleOutcome> = places
            .iter()
            .map(|place| place.window_in(&shards).judge(place.quota, now))
            .collect();
        if judged.iter().any(|outcome| !outcome.allowed) {
            return judged;
        }
        // A window that is named twice counts the call once.
        let windows: HashSet<(usize, &WindowKey)> = places
            .iter()
            .map(|place| (place.shard, &place.key))
            .collect();
        for (shard, key) in windows {
            if let Some(shard) = shards.get_mut(&shard) {
                shard.count(key, now);
            }
        }
        places
            .iter()
            .map(|place| place.window_in(&shards).after_counting(place.quota, now))
            .collect()
    }

    fn place_of(&self, request: &ThrottleRequest) -> Place {
        let key = WindowKey {
            key: request.key.clone(),
            width: part_width(request.quota.window),
        };
        Place {
            shard: usize::try_from(self.hasher.hash_one(&key) % SHARDS as u64).unwrap_or(0),
            untouched: Window::new(key.width),
            key,
            quota: request.quota.calls,
        }
    }

    /// Locks all shards of a call in ascending order, so that two calls cannot deadlock.
    fn lock(&self, places: &[Place]) -> BTreeMap<usize, MutexGuard<'_, Shard>> {
        let wanted: BTreeSet<usize> = places.iter().map(|place| place.shard).collect();
        wanted
            .into_iter()
            .filter_map(|index| {
                let shard = self.shards.get(index)?;
                Some((index, shard.lock().unwrap_or_else(PoisonError::into_inner)))
            })
            .collect()
    }
}

impl Place {
    fn window_in<'a>(&'a self, shards: &'a BTreeMap<usize, MutexGuard<'_, Shard>>) -> &'a Window {
        shards
            .get(&self.shard)
            .and_then(|shard| shard.windows.get(&self.key))
            .unwrap_or(&self.untouched)
    }
}

impl Shard {
    fn count(&mut self, key: &WindowKey, now: i64) {
        // If the clock was set back, the next sweep would be late by the same amount.
        let overdue = now >= self.next_sweep || self.next_sweep - now > SWEEP_EVERY;
        if overdue || self.windows.len() >= MOST_WINDOWS {
            self.sweep(now);
        }
        self.windows
            .entry(key.clone())
            .or_insert_with(|| Window::new(key.width))
            .count(now);
    }

    fn sweep(&mut self, now: i64) {
        self.windows.retain(|_, window| window.idle_from() > now);
        if self.windows.len() >= MOST_WINDOWS {
            self.make_room();
        }
        if self.windows.capacity() > 4 * self.windows.len() {
            self.windows.shrink_to_fit();
        }
        self.next_sweep = now + SWEEP_EVERY;
    }

    /// Drops the quarter of the windows that would expire first.
    fn make_room(&mut self) {
        let mut ends: Vec<i64> = self.windows.values().map(Window::idle_from).collect();
        let mut surplus = ends.len() / 4;
        let (_, last_to_go, _) = ends.select_nth_unstable(surplus);
        let last_to_go = *last_to_go;
        self.windows.retain(|_, window| {
            let goes = surplus > 0 && window.idle_from() <= last_to_go;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

#[async_trait]
impl Throttle for MemoryThrottle {
    async fn count(
        &self,
        requests: &[ThrottleRequest],
    ) -> Result<Vec<ThrottleOutcome>, CacheError> {
        Ok(self.count_all(requests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use authentication_domain::protection::Quota;
    use std::sync::atomic::{AtomicI64, Ordering};
    use time::{Duration, OffsetDateTime};

    struct Seconds(AtomicI64);
    impl Clock for Seconds {
        fn now(&self) -> OffsetDateTime {
            OffsetDateTime::UNIX_EPOCH + Duration::seconds(self.0.load(Ordering::SeqCst))
        }
    }

    fn call(key: usize) -> [ThrottleRequest; 1] {
        [ThrottleRequest {
            key: ThrottleKey(key.to_string()),
            quota: Quota {
                calls: 1,
                window: Duration::minutes(1),
            },
        }]
    }

    fn windows_of(throttle: &MemoryThrottle) -> usize {
        throttle
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().windows.len())
            .sum()
    }

    #[test]
    fn idle_windows_are_swept() {
        let clock = Arc::new(Seconds(AtomicI64::new(0)));
        let throttle = MemoryThrottle::new(Arc::clone(&clock) as Arc<dyn Clock>);
        for key in 0..10_000 {
            throttle.count_all(&call(key));
        }
        assert_eq!(windows_of(&throttle), 10_000);
        clock.0.store(3_600, Ordering::SeqCst);
        for key in 0..1_000 {
            throttle.count_all(&call(key));
        }
        assert_eq!(
            windows_of(&throttle),
            1_000,
            "every shard was used, and swept"
        );
    }

    #[test]
    fn a_flood_of_callers_is_bounded_and_the_latest_are_still_counted() {
        let mut shard = Shard::default();
        let key = |number: usize| WindowKey {
            key: ThrottleKey(number.to_string()),
            width: 1_000,
        };
        for number in 0..MOST_WINDOWS {
            shard.count(&key(number), 0);
        }
        let latest = MOST_WINDOWS..MOST_WINDOWS + MOST_WINDOWS / 2;
        for number in latest.clone() {
            shard.count(&key(number), 30_000);
        }
        assert!(shard.windows.len() <= MOST_WINDOWS);
        for number in latest {
            assert!(
                !shard.windows[&key(number)].judge(1, 30_000).allowed,
                "older windows were given up first"
            );
        }
    }
}
