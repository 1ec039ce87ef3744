//! Short-lived state: live sessions and rate limit counters.
//!
//! ```text
//!                     embedded                     with redis.url
//! near session cache  memory, a minute             memory, a second
//! shared cache        none                         Redis
//! other nodes         none                         the shared cache broadcasts
//! rate limit counters memory                       Redis; memory while it is unavailable
//! ```

use std::{fs, sync::Arc};

use adapters_memory::{LocalRevocations, MemorySessionCache, MemoryThrottle};
use adapters_redis::{
    InvalidRedisConfig, RedisConfig, RedisConnection, RedisRevocations, RedisSessionCache,
    RedisThrottle, RedisTopology,
};
use authentication_app::{
    Foundation,
    accounts::People,
    caching::Ledger,
    ports::{SessionCache, SessionQueries, Throttle},
    protection::Limits,
    sessions::{Liveness, SessionCaches},
};
use common::{Clock, SecureRandom};

use crate::{
    StartError,
    config::{Config, Mistake, Mistakes, RedisMode},
    workers::Workers,
};

pub(super) struct Ephemeral {
    pub(super) redis: Option<RedisConnection>,
    pub(super) people: People,
    pub(super) caches: Ledger,
    near: Arc<MemorySessionCache>,
    shared: Option<Arc<RedisSessionCache>>,
    shared_throttle: Option<Arc<RedisThrottle>>,
    own_throttle: Arc<MemoryThrottle>,
}

impl Ephemeral {
    /// A node starts even if Redis is unavailable.
    pub(super) async fn open(
        config: &Config,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn SecureRandom>,
        has_test_clock: bool,
        workers: &mut Workers,
    ) -> Result<Self, StartError> {
        let redis = connect(config).await?;
        let intent = if redis.is_some() {
            MemorySessionCache::BESIDE_OTHERS
        } else {
            MemorySessionCache::ALONE
        };
        let near = MemorySessionCache::new(intent, Arc::clone(clock), Arc::clone(random));
        let near = Arc::new(near);
        let caches = Ledger::default();
        let people = People::new(&caches, Arc::clone(clock), Arc::clone(random));
        let shared = redis.clone().map(RedisSessionCache::new).map(Arc::new);
        if let (Some(redis), Some(shared)) = (&redis, &shared) {
            let near = (Arc::clone(&near), people.clone());
            listen_for_revocations(redis, near, shared, workers);
        }
        let shared_throttle = redis.clone().map(|redis| {
            let throttle = RedisThrottle::new(redis);
            Arc::new(if has_test_clock {
                throttle.with_clock(Arc::clone(clock))
            } else {
                throttle
            })
        });
        Ok(Self {
            redis,
            people,
            caches,
            near,
            shared,
            shared_throttle,
            own_throttle: Arc::new(MemoryThrottle::new(Arc::clone(clock))),
        })
    }

    pub(super) fn liveness(&self, store: Arc<dyn SessionQueries>) -> Liveness {
        let caches = SessionCaches {
            near: self.near.clone(),
            shared: self.shared(),
            // The shared cache notifies the other nodes in the same round trip.
            others: Arc::new(LocalRevocations),
            people: self.people.clone(),
        };
        Liveness::new(store, caches, &self.caches)
    }

    /// The session cache that all nodes share, with Redis only.
    pub(super) fn shared(&self) -> Option<Arc<dyn SessionCache>> {
        let shared = self.shared.clone();
        shared.map(|shared| shared as Arc<dyn SessionCache>)
    }

    pub(super) fn limits(&self, base: Arc<Foundation>) -> Limits {
        let shared = self.shared_throttle.clone();
        Limits::new(
            base,
            shared.map(|shared| shared as Arc<dyn Throttle>),
            self.own_throttle.clone(),
        )
    }
}

pub(super) async fn connect(config: &Config) -> Result<Option<RedisConnection>, StartError> {
    let Some(settings) = redis_config(config).map_err(Mistakes::from)? else {
        return Ok(None);
    };
    match RedisConnection::connect(&settings).await {
        Ok(redis) => Ok(Some(redis)),
        Err(error) => Err(Mistakes::from(redis_mistake(config, error)).into()),
    }
}

/// The configuration of the Redis adapter; `None` without Redis.
pub(crate) fn redis_config(config: &Config) -> Result<Option<RedisConfig>, Mistake> {
    let redis = &config.redis;
    let Some(url) = &redis.url else {
        return Ok(None);
    };
    let authorities = match &redis.ca_file {
        Some(file) => Some(fs::read(file).map_err(|error| {
            config.mistake("redis.ca_file", format!("cannot be read: {error}"))
        })?),
        None => None,
    };
    Ok(Some(RedisConfig {
        topology: match redis.mode {
            RedisMode::Standalone => RedisTopology::Standalone,
            RedisMode::Sentinel => RedisTopology::Sentinel {
                sentinels: redis.sentinel_urls.clone(),
            },
            RedisMode::Cluster => RedisTopology::Cluster {
                nodes: redis.cluster_nodes.clone(),
            },
        },
        authorities,
        key_prefix: redis.key_prefix.clone(),
        ..RedisConfig::new(url.clone())
    }))
}

/// The setting behind an error of the Redis adapter.
pub(crate) fn redis_mistake(config: &Config, error: InvalidRedisConfig) -> Mistake {
    let setting = match error {
        InvalidRedisConfig::Url | InvalidRedisConfig::Database => "redis.url",
        InvalidRedisConfig::Sentinels => "redis.sentinel.urls",
        InvalidRedisConfig::Nodes => "redis.cluster.nodes",
        InvalidRedisConfig::Authorities => "redis.ca_file",
        InvalidRedisConfig::Prefix => "redis.key_prefix",
    };
    config.mistake(setting, error.to_string())
}

/// Invalidates the near caches: entries that other nodes ended, and everything when a broadcast may have been lost.
fn listen_for_revocations(
    redis: &RedisConnection,
    (near, people): (Arc<MemorySessionCache>, People),
    shared: &Arc<RedisSessionCache>,
    workers: &mut Workers,
) {
    let mut stop = workers.stop_signal();
    let (missed, missed_people) = (Arc::clone(&near), people.clone());
    let shared = Arc::clone(shared);
    let listening = RedisRevocations::new(redis.clone()).subscribe(
        move |invalidation| {
            near.forget(&invalidation);
            people.hear(&invalidation);
        },
        move || {
            missed.forget_everything();
            missed_people.forget_everything();
            // Redis is back: sessions that this node ended in the meantime are broadcast now, not with the next
            // request.
            let shared = Arc::clone(&shared);
            tokio::spawn(async move { shared.tell_missed().await });
        },
        async move { stop.requested().await },
    );
    workers.adopt("revocations", listening);
}
