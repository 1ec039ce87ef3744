//! The contracts of the ephemeral ports, kept inside one process.

use std::sync::Arc;

use adapters_memory::{MemorySessionCache, MemoryThrottle};
use async_trait::async_trait;
use authentication_app::ports::SessionCache;
use common::clock::Clock;
use testkit::{
    TestClock,
    contract::{cache::CacheBed, throttle::ThrottleBed},
};
use time::Duration;

struct OneProcess {
    cache: Arc<MemorySessionCache>,
    ttl: Duration,
    clock: Arc<TestClock>,
}

impl OneProcess {
    fn with_ttl(ttl: Duration) -> Self {
        let clock = Arc::new(TestClock::new());
        let cache = MemorySessionCache::new(10_000, ttl, Arc::clone(&clock) as Arc<dyn Clock>);
        Self {
            cache: Arc::new(cache),
            ttl,
            clock,
        }
    }
}

#[async_trait]
impl CacheBed for OneProcess {
    fn here(&self) -> Arc<dyn SessionCache> {
        Arc::clone(&self.cache) as Arc<dyn SessionCache>
    }

    fn there(&self) -> Arc<dyn SessionCache> {
        self.here()
    }

    async fn outlive(&self) {
        self.clock.advance(self.ttl);
    }
}

mod session_cache {
    use super::{Duration, OneProcess};

    async fn bed() -> OneProcess {
        OneProcess::with_ttl(Duration::minutes(1))
    }
    testkit::session_cache_contract!(bed);
}

mod throttle {
    use super::{Arc, Clock, MemoryThrottle, TestClock, ThrottleBed};

    async fn bed() -> ThrottleBed {
        let clock = Arc::new(TestClock::new());
        ThrottleBed {
            throttle: Arc::new(MemoryThrottle::new(Arc::clone(&clock) as Arc<dyn Clock>)),
            advance: Box::new(move |by| clock.advance(by)),
        }
    }
    testkit::throttle_contract!(bed);
}
