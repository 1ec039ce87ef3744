//! The contracts of the ephemeral ports on Redis, each test as two nodes under a prefix of its own.

mod support;

use std::sync::Arc;

use adapters_redis::{RedisSessionCache, RedisThrottle};
use async_trait::async_trait;
use authentication_app::{
    caching::Intent,
    ports::{RevocationChannel, SessionCache},
};
use common::clock::Clock;
use deadpool_redis::redis::cmd;
use testkit::{
    TestClock,
    contract::{
        cache::CacheBed,
        revocations::{RevocationBed, Told},
        throttle::ThrottleBed,
    },
    redis_url, unique_name,
};
use time::Duration;

struct TwoNodes {
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
        // All are due by then, the longest life too; and the shortest is not over.
        let longest = self.here.intent().life_by(0);
        self.age(longest.total - longest.early).await;
    }
}

impl TwoNodes {
    /// Takes from every key's life. It stands for waiting that long.
    #[expect(clippy::expect_used, reason = "code of tests")]
    async fn age(&self, by: Duration) {
        let by = i64::try_from(by.whole_milliseconds()).expect("a time within reason");
        let mut redis = support::raw(&redis_url()).await;
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

mod session_cache {
    use super::{
        Arc, Duration, Intent, RedisSessionCache, TwoNodes, redis_url, support, unique_name,
    };

    /// The time in Redis is real: the test has half a minute for what it does while a refresh is due.
    const SLOW: Intent = Intent {
        ttl: Duration::MINUTE,
        early_percent: 50,
        ..RedisSessionCache::INTENT
    }
    .checked();

    async fn bed() -> TwoNodes {
        let prefix = unique_name();
        let node = async || {
            let redis = support::node(&redis_url(), &prefix).await;
            Arc::new(RedisSessionCache::new(redis).with_intent(SLOW))
        };
        TwoNodes {
            here: node().await,
            there: node().await,
            prefix,
        }
    }
    testkit::session_cache_contract!(bed);
}

mod revocations {
    use super::{
        Arc, RevocationBed, RevocationChannel, Told, async_trait, redis_url, support, unique_name,
    };
    use adapters_redis::RedisRevocations;
    use std::future::pending;
    use tokio::sync::{Notify, mpsc};

    struct TwoNodes([RedisRevocations; 2]);

    #[async_trait]
    impl RevocationBed for TwoNodes {
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

    async fn bed() -> TwoNodes {
        let prefix = unique_name();
        let node = async || RedisRevocations::new(support::node(&redis_url(), &prefix).await);
        TwoNodes([node().await, node().await])
    }
    testkit::revocation_channel_contract!(bed);
}

mod throttle {
    use super::{
        Arc, Clock, RedisThrottle, TestClock, ThrottleBed, redis_url, support, unique_name,
    };

    async fn bed() -> ThrottleBed {
        let clock = Arc::new(TestClock::new());
        let node = support::node(&redis_url(), &unique_name()).await;
        let throttle = RedisThrottle::new(node).with_clock(Arc::clone(&clock) as Arc<dyn Clock>);
        ThrottleBed {
            throttle: Arc::new(throttle),
            advance: Box::new(move |by| clock.advance(by)),
        }
    }
    testkit::throttle_contract!(bed);
}
