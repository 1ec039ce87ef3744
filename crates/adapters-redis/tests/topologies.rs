//! Invalidations survive fail-overs, by sentinels and in a Cluster, and moving slots.
#![expect(
    clippy::expect_used,
    reason = "code of tests: a broken expectation fails the test"
)]

mod support;

use std::time::Duration;

use adapters_redis::{
    RedisConfig, RedisConnection, RedisRevocations, RedisSessionCache, RedisThrottle, RedisTopology,
};
use authentication_app::ports::{
    CacheError, Invalidation, SessionCache as _, SessionSnapshot, Throttle as _, ThrottleKey,
    ThrottleRequest,
};
use authentication_domain::protection::Quota;
use support::{get, load, patient, snapshot, until, until_connected};
use testkit::servers::{RedisCluster, RedisSentinel};
use tokio::sync::mpsc;

/// A service node: what it has on Redis, and the broadcasts that it receives.
struct Node {
    redis: RedisConnection,
    cache: RedisSessionCache,
    throttle: RedisThrottle,
    heard: mpsc::UnboundedReceiver<Heard>,
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Invalidation(Invalidation),
    Gap,
}

impl Node {
    async fn on(config: RedisConfig) -> Self {
        let redis = patient(RedisConfig {
            heartbeat: Duration::from_millis(50),
            ..config
        })
        .await;
        let (tell, mut heard) = mpsc::unbounded_channel();
        let of_gaps = tell.clone();
        RedisRevocations::new(redis.clone()).subscribe(
            move |invalidation| drop(tell.send(Heard::Invalidation(invalidation))),
            move || drop(of_gaps.send(Heard::Gap)),
            std::future::pending(),
        );
        assert_eq!(heard.recv().await, Some(Heard::Gap));
        Self {
            cache: RedisSessionCache::new(redis.clone()),
            throttle: RedisThrottle::new(redis.clone()),
            redis,
            heard,
        }
    }

    async fn count(&self) -> Result<(), CacheError> {
        let request = ThrottleRequest {
            key: ThrottleKey("caller".to_owned()),
            quota: Quota {
                calls: 1_000_000,
                window: time::Duration::MINUTE,
            },
        };
        self.throttle.count(&[request]).await.map(drop)
    }

    async fn end(&self, session: &SessionSnapshot) -> Result<(), CacheError> {
        let ended = Invalidation::of_sessions([session.session]);
        self.cache.invalidate(&ended).await
    }

    /// Waits for this session's end and ignores all other messages.
    async fn hears_of_the_end_of(&mut self, session: &SessionSnapshot) {
        loop {
            // It may arrive in one message together with others.
            match self.heard.recv().await.expect("it listens") {
                Heard::Invalidation(told) if told.ended.contains(&session.session) => return,
                Heard::Invalidation(_) | Heard::Gap => {}
            }
        }
    }

    async fn hears_of_a_gap(&mut self) {
        while self.heard.recv().await.expect("it listens") != Heard::Gap {}
    }

    async fn works(&self) {
        let session = snapshot();
        load(&self.cache, &session).await;
        assert_eq!(get(&self.cache, session.session).await, Some(session));
        assert_eq!(self.count().await, Ok(()));
        // Its listener may still be connecting.
        until(async || self.redis.health().await.is_ok()).await;
    }
}

fn of_sentinel(servers: &RedisSentinel) -> RedisConfig {
    RedisConfig {
        topology: RedisTopology::Sentinel {
            // Sentinels that cannot be reached, or are something else, are no obstacle.
            sentinels: vec![
                "redis://127.0.0.1:1".into(),
                servers.sentinel_url().into(),
                servers.url_of(&servers.primary).into(),
            ],
        },
        ..RedisConfig::new(servers.url())
    }
}

fn of_cluster(cluster: &RedisCluster) -> RedisConfig {
    RedisConfig {
        topology: RedisTopology::Cluster {
            nodes: cluster.addresses(),
        },
        key_prefix: "{fa}:".to_owned(),
        ..RedisConfig::new(cluster.url())
    }
}

/// This includes what had not been replicated yet.
#[tokio::test]
async fn what_was_told_before_a_fail_over_by_sentinels_holds_after_it() {
    let mut servers = RedisSentinel::start().await;
    let here = Node::on(of_sentinel(&servers)).await;
    let mut there = Node::on(of_sentinel(&servers)).await;
    let before = here.redis.address();
    let (early, late, untouched) = (snapshot(), snapshot(), snapshot());
    for session in [&early, &late, &untouched] {
        load(&here.cache, session).await;
    }
    here.end(&early).await.unwrap();
    there.hears_of_the_end_of(&early).await;

    until(async || servers.offset_of(&servers.primary) == servers.offset_of(&servers.replica))
        .await;
    servers.replica.freeze();
    servers.cut_the_replica_off();
    here.end(&late).await.unwrap();
    servers.lose_the_primary();
    servers.replica.thaw();

    for node in [&here, &there] {
        until_connected(&node.redis).await;
        assert_ne!(node.redis.address(), before);
    }
    there.hears_of_a_gap().await;
    // Any request of the node that ended it, for any session.
    get(&here.cache, untouched.session).await;
    for node in [&here, &there] {
        for gone in [&early, &late] {
            assert_eq!(get(&node.cache, gone.session).await, None);
        }
        node.works().await;
    }
    let next = snapshot();
    here.end(&next).await.unwrap();
    there.hears_of_the_end_of(&next).await;
}

#[tokio::test]
async fn a_cluster_goes_on_with_the_replica_of_a_primary_that_died() {
    let mut cluster = RedisCluster::start().await;
    let owner = cluster.owner(cluster.slot("{fa}:"));
    cluster.add_replica_of(owner).await;
    // Only the node that dies is configured; its neighbours are learnt from it.
    let config = RedisConfig {
        topology: RedisTopology::Cluster { nodes: Vec::new() },
        ..RedisConfig {
            url: cluster.nodes[owner].url().into(),
            ..of_cluster(&cluster)
        }
    };
    let here = Node::on(config.clone()).await;
    let mut there = Node::on(config).await;
    let before = here.redis.address();
    let ended = snapshot();
    load(&there.cache, &ended).await;
    cluster.lose(owner);
    // It is remembered until a node takes it.
    assert_eq!(here.end(&ended).await, Err(CacheError));
    for node in [&here, &there] {
        until_connected(&node.redis).await;
        assert_ne!(node.redis.address(), before);
    }
    there.hears_of_a_gap().await;
    here.works().await;
    assert_eq!(get(&there.cache, ended.session).await, None);
    there.works().await;
    let next = snapshot();
    here.end(&next).await.unwrap();
    there.hears_of_the_end_of(&next).await;
}

#[tokio::test]
async fn a_slot_that_moves_loses_no_revocation_and_in_the_end_no_call() {
    let cluster = RedisCluster::start().await;
    let here = Node::on(of_cluster(&cluster)).await;
    let mut there = Node::on(of_cluster(&cluster)).await;
    let slot = cluster.slot("{fa}:");
    let from = cluster.owner(slot);
    let to = (from + 1) % 3;
    let (early, late, untouched) = (snapshot(), snapshot(), snapshot());
    for session in [&early, &late, &untouched] {
        load(&here.cache, session).await;
    }
    here.end(&early).await.unwrap();
    there.hears_of_the_end_of(&early).await;

    cluster.begin_to_move(slot, from, to);
    // While a script's keys are split between two nodes, neither node runs it.
    assert_eq!(here.end(&late).await, Err(CacheError));
    cluster.move_the_rest(slot, from, to);
    until_connected(&here.redis).await;
    until_connected(&there.redis).await;
    get(&here.cache, untouched.session).await;
    for node in [&here, &there] {
        for gone in [&early, &late] {
            assert_eq!(get(&node.cache, gone.session).await, None);
        }
    }
    there.hears_of_the_end_of(&late).await;

    // If a slot moves at once, the call that finds it gone follows it.
    cluster.begin_to_move(slot, to, from);
    cluster.move_the_rest(slot, to, from);
    assert_eq!(there.count().await, Ok(()));
    let next = snapshot();
    assert_eq!(there.end(&next).await, Ok(()));
    there.works().await;
}
