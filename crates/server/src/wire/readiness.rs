//! Readiness: the state of each dependency of a node, and the cause if it is not healthy.

use std::{sync::Arc, time::Duration};

use adapters_redis::{RedisConnection, RedisTrouble};
use api_http::ports::{Cause, DependencyState, DependencyStatus, ReadinessProbe};
use async_trait::async_trait;
use authentication_app::timekeeping::ClockFigures;
use identity_adapters_postgres::{Condition, Store};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

/// How long an answer is cached, since the route is public.
const FRESH: Duration = Duration::from_secs(1);
/// The timeout of one dependency. In doubt the database is queried twice, and the route promises an answer within a
/// second.
const PATIENCE: Duration = Duration::from_millis(400);

pub(super) struct Readiness {
    store: Arc<Store>,
    redis: Option<RedisConnection>,
    /// The figures of the machine's clock; none with a test clock.
    clock: Option<Arc<ClockFigures>>,
    /// Held while the dependencies are queried, so that concurrent requests query them once.
    latest: Mutex<Option<(Instant, Vec<DependencyState>)>>,
}

impl Readiness {
    pub(super) fn new(
        store: Arc<Store>,
        redis: Option<RedisConnection>,
        clock: Option<Arc<ClockFigures>>,
    ) -> Self {
        Self {
            store,
            redis,
            clock,
            latest: Mutex::new(None),
        }
    }

    async fn ask(&self) -> Vec<DependencyState> {
        let redis = async {
            let redis = self.redis.as_ref()?;
            let health = timeout(PATIENCE, redis.health()).await;
            Some(health.unwrap_or_else(|_| Err(RedisTrouble::Unusable("no answer".to_owned()))))
        };
        let (store, redis) = tokio::join!(self.store.condition(PATIENCE), redis);
        let mut all = vec![of_database(store)];
        all.extend(redis.map(of_redis));
        all.extend(self.clock.as_ref().map(|figures| of_clock(figures)));
        all
    }
}

/// A database that is busy or read-only still serves some requests.
fn of_database(condition: Condition) -> DependencyState {
    let database = DependencyState::up("database", true);
    match condition {
        Condition::Up => database,
        Condition::Busy => database.worse(DependencyStatus::Degraded, Cause::Busy),
        Condition::Full => database.worse(DependencyStatus::Degraded, Cause::DiskFull),
        Condition::ReadOnly => database.worse(DependencyStatus::Degraded, Cause::ReadOnly),
        Condition::Denied => database.worse(DependencyStatus::Degraded, Cause::MissingRight),
        Condition::Foreign => database.worse(DependencyStatus::Down, Cause::WrongServer),
        Condition::Away => database.worse(DependencyStatus::Down, Cause::Unreachable),
    }
}

/// Without Redis, each node uses the state in its own memory.
fn of_redis(health: Result<(), RedisTrouble>) -> DependencyState {
    let redis = DependencyState::up("redis", false);
    let (state, cause) = match health {
        Ok(()) => return redis,
        Err(RedisTrouble::Unusable(reason)) => (DependencyStatus::Down, of_reason(&reason)),
        Err(
            RedisTrouble::RefusesCommands(_)
            | RedisTrouble::LacksRights(_)
            | RedisTrouble::RefusesPublish(_)
            | RedisTrouble::RefusesSubscribe(_),
        ) => (DependencyStatus::Degraded, Cause::MissingRight),
        Err(RedisTrouble::NotHeard(_)) => (DependencyStatus::Degraded, Cause::NotHeard),
    };
    redis.worse(state, cause)
}

/// The cause code for a server that answers and cannot be used; the log and `doctor` give details.
fn of_reason(reason: &str) -> Cause {
    match reason {
        "READONLY" => Cause::ReadOnly,
        "OOM" => Cause::OutOfMemory,
        "NOREPLICAS" => Cause::NoReplicas,
        // Redis cannot save, and refuses writes until it can.
        "MISCONF" => Cause::DiskFull,
        "LOADING" | "no connection free" => Cause::Busy,
        "no such database" => Cause::NoSuchDatabase,
        // A server that does not know these commands is too old, or not a Redis.
        "MOVED" | "ERR" => Cause::WrongServer,
        "NOPERM" | "NOAUTH" | "WRONGPASS" | "authentication failed" => Cause::MissingRight,
        _ => Cause::Unreachable,
    }
}

/// Requests are judged by the time that nodes share, so a wrong clock of the machine does no harm yet. It is
/// reported because the next start may lack a database to correct it, and because other programs of the machine are
/// affected already.
fn of_clock(figures: &ClockFigures) -> DependencyState {
    let clock = DependencyState::up("clock", false);
    match figures.wrong_by() {
        None => clock,
        Some(ahead) if ahead.is_negative() => {
            clock.worse(DependencyStatus::Degraded, Cause::ClockBehind)
        }
        Some(_) => clock.worse(DependencyStatus::Degraded, Cause::ClockAhead),
    }
}

#[async_trait]
impl ReadinessProbe for Readiness {
    async fn check(&self) -> Vec<DependencyState> {
        let mut latest = self.latest.lock().await;
        match &*latest {
            Some((at, states)) if at.elapsed() < FRESH => states.clone(),
            _ => {
                let states = Box::pin(self.ask()).await;
                *latest = Some((Instant::now(), states.clone()));
                states
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_answers_is_not_called_unreachable() {
        for (reason, cause) in [
            ("OOM", Cause::OutOfMemory),
            ("NOREPLICAS", Cause::NoReplicas),
            ("READONLY", Cause::ReadOnly),
            ("MISCONF", Cause::DiskFull),
            ("LOADING", Cause::Busy),
            ("no connection free", Cause::Busy),
            ("no such database", Cause::NoSuchDatabase),
            ("ERR", Cause::WrongServer),
            ("MOVED", Cause::WrongServer),
            ("NOPERM", Cause::MissingRight),
            ("no answer", Cause::Unreachable),
        ] {
            let state = of_redis(Err(RedisTrouble::Unusable(reason.to_owned())));
            assert_eq!(state.causes, [cause], "{reason}");
            assert_eq!(state.state, DependencyStatus::Down, "{reason}");
        }
    }
}
