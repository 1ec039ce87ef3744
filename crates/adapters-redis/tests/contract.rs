//! The contracts of the ephemeral ports on Redis, each test as two nodes under a prefix of its own.

mod support;

use std::sync::Arc;

use adapters_redis::{RedisSessionCache, RedisThrottle};
use async_trait::async_trait;
use authentication_app::ports::SessionCache;
use common::clock::Clock;
use deadpool_redis::redis::cmd;
use testkit::{
    TestClock,
    contract::{cache::CacheBed, throttle::ThrottleBed},
    redis_url, unique_name,
};

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

    /// Takes from every key's life what a snapshot has at most. It stands for waiting that long.
    #[expect(clippy::expect_used, reason = "code of tests")]
    async fn outlive(&self) {
        const LONGEST_LIFE: i64 = 35_000;
        let mut redis = support::raw(&redis_url()).await;
        for (key, life) in support::lives(&mut redis, &self.prefix).await {
            assert!(life > 0, "{key} lives for ever");
            let mut shorten = cmd("PEXPIRE");
            shorten.arg(key).arg(life - LONGEST_LIFE);
            shorten
                .exec_async(&mut redis)
                .await
                .expect("Redis is there");
        }
    }
}

mod session_cache {
    use super::{Arc, RedisSessionCache, TwoNodes, redis_url, support, unique_name};

    async fn bed() -> TwoNodes {
        let prefix = unique_name();
        let node = async || {
            Arc::new(RedisSessionCache::new(
                support::node(&redis_url(), &prefix).await,
            ))
        };
        TwoNodes {
            here: node().await,
            there: node().await,
            prefix,
        }
    }
    testkit::session_cache_contract!(bed);
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
