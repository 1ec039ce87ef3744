//! The contracts of the ephemeral ports inside one process.

use std::sync::Arc;

use adapters_memory::{MemorySessionCache, MemoryThrottle};
use async_trait::async_trait;
use authentication_app::{caching::Intent, ports::SessionCache};
use common::clock::Clock;
use testkit::{
    SeededRandom, TestClock,
    contract::{cache::CacheBed, revocations::Told, throttle::ThrottleBed},
};

struct OneProcess {
    cache: Arc<MemorySessionCache>,
    clock: Arc<TestClock>,
}

impl OneProcess {
    fn with(intent: Intent) -> Self {
        let clock = Arc::new(TestClock::new());
        let cache = MemorySessionCache::new(
            intent,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(SeededRandom::new(5)),
        );
        Self {
            cache: Arc::new(cache),
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
        self.clock.advance(self.cache.intent().ttl);
    }

    async fn nearly_outlive(&self) {
        // All snapshots are due by now, even the longest-lived; and the shortest-lived has not expired.
        let longest = self.cache.intent().life_by(0);
        self.clock.advance(longest.total - longest.early);
    }
}

mod session_cache {
    use super::{MemorySessionCache, OneProcess};

    async fn bed() -> OneProcess {
        OneProcess::with(MemorySessionCache::ALONE)
    }
    testkit::session_cache_contract!(bed);
}

mod revocations {
    use super::{Arc, Told, async_trait};
    use adapters_memory::LocalRevocations;
    use authentication_app::ports::RevocationChannel;
    use testkit::contract::revocations::RevocationBed;

    struct Alone;

    #[async_trait]
    impl RevocationBed for Alone {
        fn channels(&self) -> Vec<Arc<dyn RevocationChannel>> {
            vec![Arc::new(LocalRevocations)]
        }

        /// There is no other node, and this node's own cache needs no message.
        async fn listen(&self) -> Vec<Told> {
            Vec::new()
        }
    }

    async fn bed() -> Alone {
        Alone
    }
    testkit::revocation_channel_contract!(bed);
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
