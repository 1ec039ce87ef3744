//! Asking the database and Redis how they are.

use std::{sync::Arc, time::Duration};

use adapters_redis::RedisConnection;
use api_http::ports::{DependencyState, DependencyStatus, ReadinessProbe};
use async_trait::async_trait;
use identity_adapters_postgres::{Condition, Store};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// How long an answer is good for: the route is open to everybody.
const FRESH: Duration = Duration::from_secs(1);
/// How long a dependency may take to answer; the database is asked twice in doubt, and the route promises an
/// answer within a second.
const PATIENCE: Duration = Duration::from_millis(400);

pub(super) struct Readiness {
    store: Arc<Store>,
    redis: Option<RedisConnection>,
    /// Held while asking, so that a crowd asks once.
    latest: Mutex<Option<(Instant, Vec<DependencyState>)>>,
}

impl Readiness {
    pub(super) fn new(store: Arc<Store>, redis: Option<RedisConnection>) -> Self {
        Self {
            store,
            redis,
            latest: Mutex::new(None),
        }
    }

    async fn ask(&self) -> Vec<DependencyState> {
        let redis = async {
            let redis = self.redis.as_ref()?;
            let written = timeout(PATIENCE, redis.try_writing()).await;
            Some(matches!(written, Ok(Ok(()))))
        };
        let (store, redis) = tokio::join!(self.store.condition(PATIENCE), redis);
        let state = |name, state, required| DependencyState {
            name,
            state,
            required,
        };
        let mut all = vec![state("database", status_of(store), true)];
        // Without Redis each node does with what it has in memory.
        all.extend(redis.map(|answers| {
            let status = if answers {
                DependencyStatus::Up
            } else {
                DependencyStatus::Down
            };
            state("redis", status, false)
        }));
        all
    }
}

/// A database that is busy, or takes no writes, is still of use to some.
const fn status_of(database: Condition) -> DependencyStatus {
    match database {
        Condition::Up => DependencyStatus::Up,
        Condition::Busy | Condition::Full => DependencyStatus::Degraded,
        Condition::Away => DependencyStatus::Down,
    }
}

#[async_trait]
impl ReadinessProbe for Readiness {
    async fn check(&self) -> Vec<DependencyState> {
        let mut latest = self.latest.lock().await;
        match &*latest {
            Some((at, states)) if at.elapsed() < FRESH => states.clone(),
            _ => {
                let states = self.ask().await;
                *latest = Some((Instant::now(), states.clone()));
                states
            }
        }
    }
}
