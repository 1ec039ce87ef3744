//! Asking the database and Redis how they are.

use std::{sync::Arc, time::Duration};

use adapters_redis::{RedisConnection, RedisTrouble};
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
            let health = timeout(PATIENCE, redis.health()).await;
            Some(judge(health.unwrap_or_else(|_| {
                Err(RedisTrouble::Unusable("no answer".to_owned()))
            })))
        };
        let (store, redis) = tokio::join!(self.store.condition(PATIENCE), redis);
        let state = |name, (state, cause), required| DependencyState {
            name,
            state,
            required,
            cause,
        };
        let mut all = vec![state("database", (status_of(store), None), true)];
        // Without Redis each node does with what it has in memory.
        all.extend(redis.map(|found| state("redis", found, false)));
        all
    }
}

/// What is wrong goes to everybody by its kind alone; the log and `doctor` have the rest.
fn judge(health: Result<(), RedisTrouble>) -> (DependencyStatus, Option<&'static str>) {
    match health {
        Ok(()) => (DependencyStatus::Up, None),
        Err(RedisTrouble::Unusable(_)) => (DependencyStatus::Down, None),
        Err(RedisTrouble::RefusesCommands(_)) => {
            (DependencyStatus::Degraded, Some("refuses_commands"))
        }
        Err(RedisTrouble::RefusesPublish(_)) => {
            (DependencyStatus::Degraded, Some("refuses_publish"))
        }
        Err(RedisTrouble::RefusesSubscribe(_)) => {
            (DependencyStatus::Degraded, Some("refuses_subscribe"))
        }
        Err(RedisTrouble::NotHeard(_)) => (DependencyStatus::Degraded, Some("not_heard")),
    }
}

/// A database that is busy, or takes no writes, is still of use to some.
const fn status_of(database: Condition) -> DependencyStatus {
    match database {
        Condition::Up => DependencyStatus::Up,
        Condition::Busy | Condition::Full | Condition::ReadOnly | Condition::Denied => {
            DependencyStatus::Degraded
        }
        Condition::Foreign | Condition::Away => DependencyStatus::Down,
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
