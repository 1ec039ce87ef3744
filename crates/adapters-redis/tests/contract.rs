//! The contracts of the ephemeral ports on Redis, in each topology. Each test runs as two nodes under its own prefix.

mod support;

use std::{future::pending, sync::Arc};

use adapters_redis::{RedisRevocations, RedisSessionCache, RedisThrottle};
use async_trait::async_trait;
use authentication_app::{
    caching::Intent,
    ports::{RevocationChannel, SessionCache},
};
use common::clock::Clock;
use deadpool_redis::redis::cmd;
use support::Place;
use testkit::{
    TestClock,
    contract::{
        cache::CacheBed,
        revocations::{RevocationBed, Told},
        throttle::ThrottleBed,
    },
};
use time::Duration;
use tokio::sync::{Notify, mpsc};

struct TwoNodes {
    place: Place,
    prefix: String,
    here: Arc<RedisSessionCache>,
    there: Arc<RedisSessionCache>,
}

#[async_trait]
impl CacheBed for TwoNodes {
    fn here(&self) -> Arc<dyn SessionCache> {
        Arc::clone(&self.here) as Arc<dyn SessionCache>
    }

    fn there(&self) -> Arc<dyn SessionCache> {
        Arc::clone(&self.there) as Arc<dyn SessionCache>
    }

    async fn outlive(&self) {
        self.age(self.here.intent().ttl).await;
    }

    async fn nearly_outlive(&self) {
        // All snapshots are due by then, even the longest-lived; and the shortest-lived has not expired.
        let longest = self.here.intent().life_by(0);
        self.age(longest.total - longest.early).await;
    }
}

impl TwoNodes {
    /// Shortens the TTL of every key. It replaces waiting for that long.
    #[expect(clippy::expect_used, reason = "code of tests")]
    async fn age(&self, by: Duration) {
        let by = i64::try_from(by.whole_milliseconds()).expect("a time within reason");
        let mut redis = self.place.raw(&self.prefix).await;
        for (key, life) in support::lives(&mut redis, &self.prefix).await {
            assert!(life > 0, "{key} lives for ever");
            let mut shorten = cmd("PEXPIRE");
            shorten.arg(key).arg(life - by);
            shorten
                .exec_async(&mut redis)
                .await
                .expect("Redis is there");
        }
    }
}

/// Redis uses real time: the test has half a minute for its steps while a refresh is due.
const SLOW: Intent = Intent {
    ttl: Duration::MINUTE,
    early_percent: 50,
    ..RedisSessionCache::INTENT
}
.checked();

async fn two_caches(place: Place) -> TwoNodes {
    let prefix = place.prefix();
    let node = async || {
        let redis = place.node(&prefix).await;
        Arc::new(RedisSessionCache::new(redis).with_intent(SLOW))
    };
    TwoNodes {
        here: node().await,
        there: node().await,
        place,
        prefix,
    }
}

struct TwoChannels([RedisRevocations; 2]);

#[async_trait]
impl RevocationBed for TwoChannels {
    fn channels(&self) -> Vec<Arc<dyn RevocationChannel>> {
        let channels = self.0.iter().cloned();
        channels
            .map(|it| Arc::new(it) as Arc<dyn RevocationChannel>)
            .collect()
    }

    async fn listen(&self) -> Vec<Told> {
        let mut nodes = Vec::new();
        for node in &self.0 {
            let (tell, told) = mpsc::unbounded_channel();
            let (of_gap, listens) = (tell.clone(), Arc::new(Notify::new()));
            let began = Arc::clone(&listens);
            node.subscribe(
                move |invalidation| drop(tell.send(Some(invalidation))),
                move || {
                    drop(of_gap.send(None));
                    began.notify_one();
                },
                pending(),
            );
            listens.notified().await;
            nodes.push(told);
        }
        nodes
    }
}

async fn two_channels(place: Place) -> TwoChannels {
    let prefix = place.prefix();
    let node = async || RedisRevocations::new(place.node(&prefix).await);
    TwoChannels([node().await, node().await])
}

async fn a_throttle(place: Place) -> ThrottleBed {
    let clock = Arc::new(TestClock::new());
    let node = place.node(&place.prefix()).await;
    let throttle = RedisThrottle::new(node).with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
    ThrottleBed {
        throttle: Arc::new(throttle),
        advance: Box::new(move |by| clock.advance(by)),
    }
}

macro_rules! all_contracts {
    ($name:ident, $place:expr) => {
        mod $name {
            mod session_cache {
                async fn bed() -> crate::TwoNodes {
                    crate::two_caches($place).await
                }
                testkit::session_cache_contract!(bed);
            }
            mod revocations {
                async fn bed() -> crate::TwoChannels {
                    crate::two_channels($place).await
                }
                testkit::revocation_channel_contract!(bed);
            }
            mod throttle {
                async fn bed() -> testkit::contract::throttle::ThrottleBed {
                    crate::a_throttle($place).await
                }
                testkit::throttle_contract!(bed);
            }
        }
    };
}
all_contracts!(standalone, crate::Place::Standalone);
all_contracts!(sentinel, crate::Place::Sentinel);
all_contracts!(cluster, crate::Place::Cluster);
