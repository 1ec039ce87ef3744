//! What a process remembers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use authentication_app::caching::{Cached, Figures, Intent, Ledger, LoadLost};
use testkit::{SeededRandom, TestClock};
use time::Duration;

use super::store::{SlowStore, settle};

pub(crate) const INTENT: Intent = Intent {
    name: "numbers",
    why: "a test asks for them",
    version: 1,
    ttl: Duration::seconds(100),
    jitter_percent: 20,
    early_percent: 25,
    capacity: 1_000,
}
.checked();

/// In this part of a life everything is due and nothing is over.
pub(crate) const NEAR_ITS_END: Duration = Duration::seconds(76);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    Broken,
    Lost,
}

impl From<LoadLost> for Failure {
    fn from(_: LoadLost) -> Self {
        Self::Lost
    }
}

/// A cache before a store.
#[derive(Clone)]
pub(crate) struct Bed {
    pub(crate) cached: Cached<&'static str, u64, Failure>,
    pub(crate) store: SlowStore,
    pub(crate) clock: Arc<TestClock>,
    ledger: Ledger,
}

impl Bed {
    pub(crate) fn with(store: SlowStore) -> Self {
        let (clock, ledger) = (Arc::new(TestClock::new()), Ledger::default());
        let random = Arc::new(SeededRandom::new(11));
        Self {
            cached: Cached::new(INTENT, &ledger, clock.clone(), random),
            store,
            clock,
            ledger,
        }
    }

    pub(crate) async fn get(&self) -> Result<u64, Failure> {
        let load = || {
            let store = self.store.clone();
            async move { Ok(store.read().await) }
        };
        self.cached.get(&"key", load).await
    }

    pub(crate) fn figures(&self) -> Figures {
        self.ledger.read()[0]
    }
}

#[tokio::test]
async fn a_hundred_who_miss_at_once_cost_one_load() {
    let bed = Bed::with(SlowStore::slow());
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let bed = bed.clone();
            tokio::spawn(async move { bed.get().await })
        })
        .collect();
    settle().await;
    bed.store.hurry();
    for caller in crowd {
        assert_eq!(caller.await.unwrap(), Ok(0));
    }
    assert_eq!(bed.get().await, Ok(0));
    assert_eq!(bed.store.begun(), 1);
    let Figures {
        hits,
        misses,
        loads,
        ..
    } = bed.figures();
    assert_eq!((hits, misses, loads), (1, 100, 1));
}

#[tokio::test]
async fn what_was_loaded_is_loaded_again_when_its_time_is_over() {
    let bed = Bed::with(SlowStore::default());
    assert_eq!(bed.get().await, Ok(0));
    bed.store.change();
    assert_eq!(bed.get().await, Ok(0));
    bed.clock.advance(INTENT.ttl);
    assert_eq!(bed.get().await, Ok(1));
    assert_eq!(bed.store.begun(), 2);
}

/// Somebody always comes between the time it is due and its end; nobody waits.
#[tokio::test]
async fn an_early_refresh_happens_once_and_keeps_nobody_waiting() {
    let bed = Bed::with(SlowStore::default());
    assert_eq!(bed.get().await, Ok(0));
    let slow = Bed {
        store: SlowStore::slow(),
        ..bed.clone()
    };
    slow.store.change();
    slow.clock.advance(NEAR_ITS_END);
    for _ in 0..100 {
        assert_eq!(slow.get().await, Ok(0), "the old value, at once");
    }
    slow.store.until_begun(1).await;
    slow.store.hurry();
    settle().await;
    assert_eq!(slow.get().await, Ok(1));
    assert_eq!(slow.store.begun(), 1);
    let figures = slow.figures();
    assert_eq!((figures.loads, figures.early_refreshes), (1, 1));
    // It is as new as its load: no crowd when the first one would have been over.
    slow.clock.advance(NEAR_ITS_END - Duration::seconds(20));
    assert_eq!(slow.get().await, Ok(1));
    assert_eq!(slow.store.begun(), 1);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_value_until_its_time_is_over() {
    let bed = Bed::with(SlowStore::default());
    assert_eq!(bed.get().await, Ok(0));
    bed.clock.advance(NEAR_ITS_END);
    let failing = || bed.cached.get(&"key", || async { Err(Failure::Broken) });
    assert_eq!(failing().await, Ok(0));
    settle().await;
    assert_eq!(failing().await, Ok(0));
    assert_eq!(
        bed.figures().failures,
        1,
        "and it is not tried at every call"
    );
    bed.clock.advance(INTENT.ttl - NEAR_ITS_END);
    assert_eq!(failing().await, Err(Failure::Broken));
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_waited_and_to_nobody_else() {
    let bed = Bed::with(SlowStore::slow());
    let loads = Arc::new(AtomicU64::new(0));
    let failing = || {
        let (bed, loads) = (bed.clone(), Arc::clone(&loads));
        tokio::spawn(async move {
            let load = || {
                let (store, loads) = (bed.store.clone(), Arc::clone(&loads));
                async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    store.read().await;
                    Err(Failure::Broken)
                }
            };
            bed.cached.get(&"key", load).await
        })
    };
    let crowd: Vec<_> = (0..100).map(|_| failing()).collect();
    bed.store.until_begun(1).await;
    settle().await;
    bed.store.hurry();
    for caller in crowd {
        assert_eq!(caller.await.unwrap(), Err(Failure::Broken));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(bed.get().await, Ok(0), "a failure is not remembered");
}

#[tokio::test]
async fn a_load_that_panics_is_an_error_for_all_and_tried_twice_at_the_most() {
    let bed = Bed::with(SlowStore::default());
    let loads = Arc::new(AtomicU64::new(0));
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let (bed, loads) = (bed.clone(), Arc::clone(&loads));
            tokio::spawn(async move {
                let load = || {
                    let loads = Arc::clone(&loads);
                    async move {
                        loads.fetch_add(1, Ordering::SeqCst);
                        panic!("a bug")
                    }
                };
                bed.cached.get(&"key", load).await
            })
        })
        .collect();
    for caller in crowd {
        assert_eq!(caller.await.unwrap(), Err(Failure::Lost));
    }
    let loads = loads.load(Ordering::SeqCst);
    assert!(
        (1..=2).contains(&loads),
        "{loads} loads for a hundred callers"
    );
    assert_eq!(bed.get().await, Ok(0));
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_value_for_the_next() {
    let bed = Bed::with(SlowStore::slow());
    let caller = tokio::spawn({
        let bed = bed.clone();
        async move { bed.get().await }
    });
    bed.store.until_begun(1).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    bed.store.hurry();
    settle().await;
    assert_eq!(bed.get().await, Ok(0));
    assert_eq!(bed.store.begun(), 1);
}

#[tokio::test]
async fn forgetting_wins_over_a_load_that_is_under_way() {
    for forget in [
        |bed: &Bed| bed.cached.forget(&"key"),
        |bed: &Bed| bed.cached.forget_everything(),
    ] {
        let bed = Bed::with(SlowStore::slow());
        let before = tokio::spawn({
            let bed = bed.clone();
            async move { bed.get().await }
        });
        bed.store.until_begun(1).await;
        bed.store.change();
        forget(&bed);
        let after = tokio::spawn({
            let bed = bed.clone();
            async move { bed.get().await }
        });
        bed.store.until_begun(2).await;
        bed.store.hurry();
        assert_eq!(after.await.unwrap(), Ok(1));
        assert_eq!(before.await.unwrap(), Ok(0), "they asked before it changed");
        assert_eq!(
            bed.get().await,
            Ok(1),
            "and the late landing changed nothing"
        );
        assert_eq!(bed.figures().overtaken, 1);
    }
}

#[tokio::test]
async fn forgetting_everything_forgets_what_is_kept() {
    let bed = Bed::with(SlowStore::default());
    assert_eq!(bed.get().await, Ok(0));
    bed.store.change();
    bed.cached.forget_everything();
    assert_eq!(bed.get().await, Ok(1));
    bed.store.change();
    bed.cached.forget(&"another key");
    assert_eq!(bed.get().await, Ok(1));
    bed.cached.forget(&"key");
    assert_eq!(bed.get().await, Ok(2));
}

/// A value may change the moment after it was read.
#[tokio::test]
async fn a_value_is_as_old_as_its_load() {
    let bed = Bed::with(SlowStore::slow());
    let caller = tokio::spawn({
        let bed = bed.clone();
        async move { bed.get().await }
    });
    bed.store.until_begun(1).await;
    bed.clock.advance(INTENT.ttl);
    bed.store.change();
    bed.store.hurry();
    assert_eq!(caller.await.unwrap(), Ok(0));
    assert_eq!(
        bed.get().await,
        Ok(1),
        "what took its whole life to load is not kept"
    );
}

#[tokio::test]
async fn one_keys_value_is_never_anothers() {
    let bed = Bed::with(SlowStore::default());
    assert_eq!(bed.get().await, Ok(0));
    let other = bed.cached.get(&"other", || async { Ok(7) }).await;
    assert_eq!((other, bed.get().await), (Ok(7), Ok(0)));
    assert_eq!(
        format!("{:?}", bed.cached),
        r#"Cached { intent: "numbers", .. }"#
    );
}
