//! Asking the database and Redis how they are.

use std::{sync::Arc, time::Duration};

use adapters_redis::RedisConnection;
use api_http::ports::{DependencyState, DependencyStatus, ReadinessProbe};
use async_trait::async_trait;
use authentication_app::ports::Maintenance as _;
use identity_adapters_postgres::Store;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// How long an answer is good for: the route is open to everybody.
const FRESH: Duration = Duration::from_secs(1);
/// How long a dependency may take; the route promises an answer within a second.
const PATIENCE: Duration = Duration::from_millis(800);

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
        let store = async { matches!(timeout(PATIENCE, self.store.ping()).await, Ok(Ok(()))) };
        let redis = async {
            let redis = self.redis.as_ref()?;
            Some(matches!(timeout(PATIENCE, redis.ping()).await, Ok(Ok(()))))
        };
        let (store, redis) = tokio::join!(store, redis);
        let state = |name, answers, required| DependencyState {
            name,
            state: if answers {
                DependencyStatus::Up
            } else {
                DependencyStatus::Down
            },
            required,
        };
        let mut states = vec![state("database", store, true)];
        // Without Redis each node does with what it has in memory.
        states.extend(redis.map(|answers| state("redis", answers, false)));
        states
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
