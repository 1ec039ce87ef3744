//! True time, the clocks that show it, and a node that reads them.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration as StdDuration,
};

use async_trait::async_trait;
use authentication_app::{
    ports::{SharedTime, StoreError, Ticks, TimeStore},
    timekeeping::{ServiceClock, Timekeeping},
};
use common::Clock as _;
use time::{Duration, OffsetDateTime};

use super::Store;
use crate::clock::START;

#[derive(Default)]
struct Times {
    passed: Duration,
    shared_off: Duration,
    wall_off: Duration,
}

/// The true elapsed time, and the errors of the clocks.
#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<Times>>);

impl World {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn pass(&self, by: Duration) {
        self.lock().passed += by;
    }

    pub(super) fn passed(&self) -> Duration {
        self.lock().passed
    }

    pub(super) fn set_shared(&self, by: Duration) {
        self.lock().shared_off += by;
    }

    pub(super) fn set_wall(&self, by: Duration) {
        self.lock().wall_off += by;
    }

    fn shared(&self) -> OffsetDateTime {
        let times = self.lock();
        START + times.passed + times.shared_off
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        self.0.lock().expect("the times of the world")
    }
}

impl Ticks for World {
    fn wall(&self) -> OffsetDateTime {
        let times = self.lock();
        START + times.passed + times.wall_off
    }

    fn elapsed(&self) -> StdDuration {
        self.passed().unsigned_abs()
    }
}

/// A store with the shared clock of the world.
struct InWorld {
    store: Store,
    world: World,
}

#[async_trait]
impl TimeStore for InWorld {
    async fn shared_time(&self) -> Result<SharedTime, StoreError> {
        Ok(SharedTime {
            now: Some(self.world.shared()),
            round_trip: StdDuration::ZERO,
            ..self.store.shared_time().await?
        })
    }

    async fn note_time(&self, now: OffsetDateTime, set_backs: i64) -> Result<(), StoreError> {
        self.store.note_time(now, set_backs).await
    }

    async fn go_back(
        &self,
        now: OffsetDateTime,
        by: Duration,
        set_backs: i64,
    ) -> Result<bool, StoreError> {
        self.store.go_back(now, by, set_backs).await
    }
}

/// A node of the service.
pub(super) struct Node {
    clock: Arc<ServiceClock>,
    keeping: Timekeeping,
}

impl Node {
    pub(super) async fn start(world: &World, store: &Store) -> Self {
        let clock = Arc::new(ServiceClock::new(Box::new(world.clone())));
        let in_world = InWorld {
            store: store.clone(),
            world: world.clone(),
        };
        let keeping = Timekeeping::new(Arc::clone(&clock), Arc::new(in_world), Arc::default());
        let node = Self { clock, keeping };
        node.look().await;
        node
    }

    pub(super) async fn look(&self) {
        self.keeping.look().await.expect("the shared time is told");
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }
}
