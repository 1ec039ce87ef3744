//! Helpers that the tests of this crate share.
#![expect(
    clippy::expect_used,
    reason = "code of tests: a broken expectation fails the test"
)]
#![allow(dead_code, reason = "each binary of tests uses some of it")]

use std::{collections::HashMap, future::Future, time::Duration};

use adapters_redis::{RedisConfig, RedisConnection, RedisTopology};
use authentication_app::ports::{SessionCache, SessionSnapshot};
use authentication_domain::sessions::SessionId;
use common::access::{AuthenticationMethod, Proofs};
use deadpool_redis::redis::{Client, aio::MultiplexedConnection, cmd};
use testkit::{
    builders::{account_record, id},
    clock::START,
    redis_cluster_url, redis_sentinel_url, redis_url, unique_name,
};

/// The servers that the start script runs, one for each topology.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Standalone,
    Sentinel,
    Cluster,
}

impl Place {
    /// A prefix that no other test uses.
    pub(crate) fn prefix(self) -> String {
        match self {
            Self::Standalone | Self::Sentinel => unique_name(),
            Self::Cluster => format!("{{{}}}:", unique_name()),
        }
    }

    pub(crate) async fn node(self, prefix: &str) -> RedisConnection {
        let config = match self {
            Self::Standalone => RedisConfig::new(redis_url()),
            Self::Sentinel => RedisConfig {
                topology: RedisTopology::Sentinel {
                    sentinels: vec![redis_sentinel_url().into()],
                },
                ..RedisConfig::new("redis://tests/0")
            },
            Self::Cluster => RedisConfig {
                topology: RedisTopology::Cluster { nodes: Vec::new() },
                ..RedisConfig::new(redis_cluster_url())
            },
        };
        patient(RedisConfig {
            key_prefix: prefix.to_owned(),
            ..config
        })
        .await
    }

    /// A plain connection to the node that has the keys under the prefix.
    pub(crate) async fn raw(self, prefix: &str) -> MultiplexedConnection {
        let address = self.node(prefix).await.address();
        raw(&format!("redis://{}", address.expect("Redis is there"))).await
    }
}

/// A connection as a service node has it, with time-outs for a busy test machine.
pub(crate) async fn node(url: &str, prefix: &str) -> RedisConnection {
    patient(RedisConfig {
        key_prefix: prefix.to_owned(),
        ..RedisConfig::new(url)
    })
    .await
}

pub(crate) async fn patient(config: RedisConfig) -> RedisConnection {
    let config = RedisConfig {
        connect_timeout: Duration::from_secs(10),
        response_timeout: Duration::from_secs(10),
        ..config
    };
    RedisConnection::connect(&config)
        .await
        .expect("a URL of Redis")
}

/// A plain connection to the server, without prefix or circuit breaker.
pub(crate) async fn raw(url: &str) -> MultiplexedConnection {
    let client = Client::open(url).expect("a URL of Redis");
    client
        .get_multiplexed_async_connection()
        .await
        .expect("Redis is there")
}

/// The number of a server's connections, without the one that asks.
pub(crate) async fn connections(url: &str) -> usize {
    let mut redis = raw(url).await;
    let list: String = cmd("CLIENT")
        .arg("LIST")
        .query_async(&mut redis)
        .await
        .expect("Redis is there");
    list.lines().count() - 1
}

/// Every key under a prefix with its remaining TTL in milliseconds.
pub(crate) async fn lives(redis: &mut MultiplexedConnection, prefix: &str) -> HashMap<String, i64> {
    let keys: Vec<String> = cmd("KEYS")
        .arg(format!("{prefix}*"))
        .query_async(redis)
        .await
        .expect("Redis is there");
    let mut lives = HashMap::new();
    for key in keys {
        let life: i64 = cmd("PTTL")
            .arg(&key)
            .query_async(redis)
            .await
            .expect("Redis is there");
        lives.insert(key, life);
    }
    lives
}

/// Returns when the condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(fact: impl Fn() -> F) {
    while !fact().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns when the node is connected to Redis again.
pub(crate) async fn until_connected(node: &RedisConnection) {
    until(async || node.try_writing().await.is_ok()).await;
}

/// A snapshot of some session of some account.
pub(crate) fn snapshot() -> SessionSnapshot {
    SessionSnapshot {
        session: id(),
        owner: account_record(),
        proofs: Proofs::only(AuthenticationMethod::Password, START),
        proven_generation: 0,
        presented_generation: 0,
        idle_deadline: START + time::Duration::DAY,
        absolute_deadline: START + time::Duration::DAY,
    }
}

/// Loads a snapshot as a request does.
pub(crate) async fn load(cache: &dyn SessionCache, snapshot: &SessionSnapshot) {
    let ticket = cache.begin_load().await.expect("the cache is there");
    cache
        .put(ticket, snapshot)
        .await
        .expect("the cache is there");
}

/// The cached snapshot of a session.
pub(crate) async fn get(cache: &dyn SessionCache, session: SessionId) -> Option<SessionSnapshot> {
    let known = cache.get(session).await.expect("the cache is there");
    known.map(|it| it.snapshot)
}
