//! The keys that remain in Redis, and the round trips that calls need.

mod support;

use std::{collections::HashSet, sync::Arc};

use adapters_redis::{RedisSessionCache, RedisThrottle};
use authentication_app::{
    caching::Intent,
    ports::{Invalidation, LoadTicket, SessionCache, Throttle, ThrottleKey, ThrottleRequest},
};
use authentication_domain::protection::Quota;
use deadpool_redis::redis::cmd;
use support::{get, lives, load, node, raw, snapshot};
use testkit::{race::fifty_at_once, redis_url, servers::RedisServer, unique_name};
use time::Duration;

fn window(key: &str, calls: u32, window: Duration) -> ThrottleRequest {
    ThrottleRequest {
        key: ThrottleKey(key.to_owned()),
        quota: Quota { calls, window },
    }
}

#[tokio::test]
async fn every_key_is_named_after_ids_and_leaves_by_itself() {
    let (url, prefix) = (redis_url(), unique_name());
    let node = node(&url, &prefix).await;
    let cache = RedisSessionCache::new(node.clone());
    let (kept, ended, changed) = (snapshot(), snapshot(), snapshot());
    for snapshot in [&kept, &ended, &changed] {
        load(&cache, snapshot).await;
    }
    let invalidation = Invalidation {
        ended: vec![ended.session],
        changed: vec![changed.owner.account.id],
    };
    cache.invalidate(&invalidation).await.unwrap();
    let throttle = RedisThrottle::new(node);
    let windows = [
        window("digest", 5, Duration::MINUTE),
        window("digest", 5, Duration::HOUR),
    ];
    throttle.count(&windows).await.unwrap();

    let lives = lives(&mut raw(&url).await, &prefix).await;
    let expected = [
        ("clock".to_owned(), Duration::DAY),
        (
            format!("sessions:v3:{}", kept.session),
            Duration::seconds(35),
        ),
        (
            format!("sessions:v3:{}", changed.session),
            Duration::seconds(35),
        ),
        (format!("ended:{}", ended.session), Duration::minutes(2)),
        (
            format!("changed:{}", changed.owner.account.id),
            Duration::minutes(2),
        ),
        ("throttle:1000:digest".to_owned(), Duration::seconds(61)),
        ("throttle:60000:digest".to_owned(), Duration::minutes(61)),
    ];
    let names: HashSet<String> = lives.keys().cloned().collect();
    assert_eq!(
        names,
        expected
            .iter()
            .map(|(name, _)| format!("{prefix}v1:{name}"))
            .collect()
    );
    for (name, longest) in expected {
        let life = Duration::milliseconds(lives[&format!("{prefix}v1:{name}")]);
        assert!(
            life > Duration::ZERO && life <= longest,
            "{name} lives for {life}"
        );
    }
}

#[tokio::test]
async fn a_throttle_key_is_one_key_whatever_is_in_it() {
    let (url, prefix) = (redis_url(), unique_name());
    let throttle = RedisThrottle::new(node(&url, &prefix).await);
    let keys = ["*", "a\r\nSET b 1\r\n", "a b", "\"", "'] return 1 --", "\0"];
    for key in keys {
        throttle
            .count(&[window(key, 1, Duration::MINUTE)])
            .await
            .unwrap();
    }
    assert_eq!(lives(&mut raw(&url).await, &prefix).await.len(), keys.len());
}

#[tokio::test]
async fn every_call_is_one_round_trip() {
    let server = RedisServer::start().await;
    let node = node(&server.url(), "fa:").await;
    let (cache, throttle) = (
        RedisSessionCache::new(node.clone()),
        RedisThrottle::new(node),
    );
    let everything = async || {
        let snapshot = snapshot();
        let windows = [
            window("a", 50, Duration::MINUTE),
            window("b", 50, Duration::MINUTE),
        ];
        let ticket = cache.begin_load().await.unwrap();
        cache.put(ticket, &snapshot).await.unwrap();
        let kept = get(&cache, snapshot.session).await;
        assert_eq!(kept.as_ref(), Some(&snapshot));
        cache
            .invalidate(&Invalidation::of_sessions([snapshot.session]))
            .await
            .unwrap();
        cache.clear().await.unwrap();
        throttle.count(&windows).await.unwrap();
    };
    everything().await;
    let mut redis = raw(&server.url()).await;
    cmd("CONFIG")
        .arg("RESETSTAT")
        .exec_async(&mut redis)
        .await
        .unwrap();
    for _ in 0..10 {
        everything().await;
    }
    let statistics: String = cmd("INFO")
        .arg("commandstats")
        .query_async(&mut redis)
        .await
        .unwrap();
    let calls = |command: &str| {
        let line = statistics
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map(|line| line.split(',').next().unwrap().to_owned())
    };
    assert_eq!(calls("evalsha").as_deref(), Some("60"), "{statistics}");
    for needless in ["ping", "unwatch", "eval", "script|load", "select", "hello"] {
        assert_eq!(calls(needless), None, "{statistics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_count_together_by_the_servers_time() {
    let (url, prefix) = (redis_url(), unique_name());
    let nodes = [
        Arc::new(RedisThrottle::new(node(&url, &prefix).await)),
        Arc::new(RedisThrottle::new(node(&url, &prefix).await)),
    ];
    let outcomes = fifty_at_once(|rival| {
        let throttle = Arc::clone(&nodes[rival % 2]);
        async move {
            throttle
                .count(&[window("caller", 10, Duration::HOUR)])
                .await
                .unwrap()[0]
        }
    })
    .await;
    let (allowed, refused): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| outcome.allowed);
    assert_eq!(allowed.len(), 10);
    let left: HashSet<u32> = allowed.iter().map(|outcome| outcome.remaining).collect();
    assert_eq!(left, (0..10).collect());
    assert!(
        refused
            .iter()
            .all(|outcome| outcome.reset_after > Duration::minutes(59))
    );
}

#[tokio::test]
async fn a_snapshot_is_as_old_as_its_load_and_a_slow_one_is_refused() {
    let (url, prefix) = (redis_url(), unique_name());
    let cache = RedisSessionCache::new(node(&url, &prefix).await);
    let snapshot = snapshot();
    let now = cache.begin_load().await.unwrap();
    // As if the clock in Redis had been running for a long time.
    let mut redis = raw(&url).await;
    let clock = format!("{prefix}v1:clock");
    cmd("HSET")
        .arg(clock)
        .arg("floor")
        .arg(0)
        .exec_async(&mut redis)
        .await
        .unwrap();

    let earlier = |seconds: u64| LoadTicket {
        number: now.number - seconds * 1_000_000,
        ..now
    };
    // A minute is the limit for a load. 35 s is the life of a snapshot, which is as old as its load.
    for refused in [60, 35] {
        assert_eq!(cache.put(earlier(refused), &snapshot).await, Ok(false));
        assert_eq!(get(&cache, snapshot.session).await, None);
    }
    assert_eq!(cache.put(earlier(10), &snapshot).await, Ok(true));
    let lives = lives(&mut redis, &prefix).await;
    let life = lives[&format!("{prefix}v1:sessions:v3:{}", snapshot.session)];
    assert!(life <= 25_000, "it lives for {life} ms from here on");
    assert_eq!(get(&cache, snapshot.session).await, Some(snapshot));
}

#[tokio::test]
async fn a_snapshot_of_another_release_is_as_good_as_none() {
    let (url, prefix) = (redis_url(), unique_name());
    let cache = RedisSessionCache::new(node(&url, &prefix).await);
    let snapshot = snapshot();
    load(&cache, &snapshot).await;
    let key = format!("{prefix}v1:sessions:v3:{}", snapshot.session);
    let mut write = cmd("HSET");
    write.arg(key).arg("snapshot").arg(r#"{"shape":"unknown"}"#);
    write.exec_async(&mut raw(&url).await).await.unwrap();
    assert_eq!(get(&cache, snapshot.session).await, None);
    load(&cache, &snapshot).await;
    assert_eq!(get(&cache, snapshot.session).await, Some(snapshot));
}

/// The next release, with another snapshot shape, runs beside this one.
#[tokio::test]
async fn releases_read_each_others_invalidations_and_not_each_others_snapshots() {
    let (url, prefix) = (redis_url(), unique_name());
    let ours = RedisSessionCache::new(node(&url, &prefix).await);
    let next = Intent {
        version: RedisSessionCache::INTENT.version + 1,
        ..RedisSessionCache::INTENT
    };
    let theirs = RedisSessionCache::new(node(&url, &prefix).await).with_intent(next);
    let (ended, changed) = (snapshot(), snapshot());
    for snapshot in [&ended, &changed] {
        load(&ours, snapshot).await;
        assert_eq!(get(&theirs, snapshot.session).await, None);
        load(&theirs, snapshot).await;
    }
    let before = theirs.begin_load().await.unwrap();
    let invalidation = Invalidation {
        ended: vec![ended.session],
        changed: vec![changed.owner.account.id],
    };
    ours.invalidate(&invalidation).await.unwrap();
    for snapshot in [&ended, &changed] {
        for cache in [&ours, &theirs] {
            assert_eq!(get(cache, snapshot.session).await, None);
            assert_eq!(cache.put(before, snapshot).await, Ok(false));
        }
    }
    load(&theirs, &changed).await;
    assert_eq!(get(&theirs, changed.session).await, Some(changed));
}

/// A change of the stored shape requires a new version, here and in the intent.
#[test]
fn the_shape_of_a_snapshot_belongs_to_its_version() {
    fn paths(value: &serde_json::Value, at: &str, into: &mut Vec<String>) {
        match value.as_object() {
            Some(fields) => {
                for (name, value) in fields {
                    paths(value, &format!("{at}.{name}"), into);
                }
            }
            None => into.push(at.trim_start_matches('.').to_owned()),
        }
    }
    let mut shape = Vec::new();
    paths(&serde_json::to_value(snapshot()).unwrap(), "", &mut shape);
    shape.sort();
    assert_eq!(RedisSessionCache::INTENT.version, 3);
    assert_eq!(shape, SHAPE_OF_VERSION_3);
}

const SHAPE_OF_VERSION_3: [&str; 23] = [
    "absolute_deadline",
    "idle_deadline",
    "owner.account.id",
    "owner.account.roles",
    "owner.account.sign_up_method",
    "owner.account.status.state",
    "owner.account.timestamps.created_at",
    "owner.account.timestamps.updated_at",
    "owner.account.version",
    "owner.identifier",
    "owner.profile",
    "owner.profile_version",
    "owner.second_factors.passkeys",
    "owner.second_factors.recovery_codes",
    "owner.second_factors.totp",
    "owner.wallet.currency",
    "owner.wallet.minor",
    "owner.wrapped_key.bytes",
    "owner.wrapped_key.master_key_id",
    "proofs.first.at",
    "proofs.first.method",
    "proven_generation",
    "session",
];

#[tokio::test]
async fn what_was_loaded_together_does_not_expire_together() {
    let (url, prefix) = (redis_url(), unique_name());
    let cache = RedisSessionCache::new(node(&url, &prefix).await);
    let began = std::time::Instant::now();
    for _ in 0..100 {
        load(&cache, &snapshot()).await;
    }
    let lives = lives(&mut raw(&url).await, &prefix).await;
    // The most time that can have passed since.
    let passed = i64::try_from(began.elapsed().as_millis()).unwrap() + 1;
    let lives: HashSet<i64> = lives
        .iter()
        .filter(|(key, _)| key.contains(":sessions:"))
        .map(|(_, life)| *life)
        .collect();
    let intent = RedisSessionCache::INTENT;
    let longest = intent.life_by(0).total.whole_milliseconds();
    let shortest = intent.life_by(u16::MAX).total.whole_milliseconds();
    for life in &lives {
        let life = i128::from(*life);
        assert!(life <= longest, "{life} ms");
        assert!(life + i128::from(passed) >= shortest, "{life} ms");
    }
    assert!(lives.len() > 50, "they are spread: {lives:?}");
}

/// A clock that was set back, or the clock of another server after a fail-over.
#[tokio::test]
async fn what_happens_is_in_order_although_the_servers_clock_is_behind() {
    let (url, prefix) = (redis_url(), unique_name());
    let cache = RedisSessionCache::new(node(&url, &prefix).await);
    let snapshot = snapshot();
    let now = cache.begin_load().await.unwrap();
    let ahead = now.number + 3_600_000_000;
    let mut write = cmd("HSET");
    write
        .arg(format!("{prefix}v1:clock"))
        .arg("last")
        .arg(ahead);
    write.exec_async(&mut raw(&url).await).await.unwrap();

    let before = cache.begin_load().await.unwrap();
    assert!(before.number > ahead);
    let changed = Invalidation::of_account(snapshot.owner.account.id);
    cache.invalidate(&changed).await.unwrap();
    cache.put(before, &snapshot).await.unwrap();
    assert_eq!(get(&cache, snapshot.session).await, None);
    load(&cache, &snapshot).await;
    assert_eq!(get(&cache, snapshot.session).await, Some(snapshot));
}
