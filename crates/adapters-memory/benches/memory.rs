//! Benchmarks of the in-process lookups that every signed-in request makes.
#![expect(clippy::expect_used, reason = "a broken set-up ends the benchmark")]

use std::{hint::black_box, sync::Arc};

use adapters_memory::{MemorySessionCache, MemoryThrottle};
use authentication_app::ports::{
    SessionCache as _, SessionSnapshot, Throttle as _, ThrottleKey, ThrottleRequest,
};
use authentication_domain::protection::Quota;
use common::access::{AuthenticationMethod, Proofs};
use criterion::{Criterion, criterion_group, criterion_main};
use testkit::{SeededRandom, TestClock, builders, clock::START};
use time::Duration;
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn session_cache(c: &mut Criterion) {
    let runtime = runtime();
    let clock = Arc::new(TestClock::default());
    let cache = MemorySessionCache::new(
        MemorySessionCache::ALONE,
        clock,
        Arc::new(SeededRandom::new(7)),
    );
    let snapshot = SessionSnapshot {
        session: builders::id(),
        owner: builders::account_record(),
        proofs: Proofs::only(AuthenticationMethod::Password, START),
        proven_generation: 0,
        presented_generation: 0,
        idle_deadline: START + Duration::DAY,
        absolute_deadline: START + Duration::WEEK,
    };
    runtime.block_on(async {
        let ticket = cache.begin_load().await.expect("a ticket");
        cache.put(ticket, &snapshot).await.expect("kept");
    });
    c.bench_function("session cache: hit", |b| {
        b.iter(|| {
            let found = runtime.block_on(cache.get(black_box(snapshot.session)));
            found.expect("a cache").expect("a hit")
        });
    });
}

fn throttle(c: &mut Criterion) {
    let runtime = runtime();
    let throttle = MemoryThrottle::new(Arc::new(TestClock::default()));
    let request = |name: &str| ThrottleRequest {
        key: ThrottleKey(format!("signed_in:{name}")),
        quota: Quota {
            calls: u32::MAX,
            window: Duration::MINUTE,
        },
    };
    let requests = [request("a:0123456789abcdef"), request("u:0123456789abcdef")];
    c.bench_function("throttle: address and account", |b| {
        b.iter(|| runtime.block_on(throttle.count(black_box(&requests))));
    });
}

criterion_group!(benches, session_cache, throttle);
criterion_main!(benches);
