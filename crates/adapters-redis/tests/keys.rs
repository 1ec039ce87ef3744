//! What is left in Redis, and what it costs to get there.

mod support;

use std::{collections::HashSet, sync::Arc};

use adapters_redis::{RedisSessionCache, RedisThrottle};
use authentication_app::ports::{
    Invalidation, LoadTicket, SessionCache, Throttle, ThrottleKey, ThrottleRequest,
};
use authentication_domain::protection::Quota;
use deadpool_redis::redis::cmd;
use support::{lives, load, node, raw, snapshot};
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
        (format!("session:{}", kept.session), Duration::seconds(35)),
        (
            format!("session:{}", changed.session),
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
        assert_eq!(
            cache.get(snapshot.session).await.unwrap().as_ref(),
            Some(&snapshot)
        );
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
async fn a_load_that_took_more_than_a_minute_is_refused() {
    let (url, prefix) = (redis_url(), unique_name());
    let cache = RedisSessionCache::new(node(&url, &prefix).await);
    let snapshot = snapshot();
    let LoadTicket(now) = cache.begin_load().await.unwrap();
    // As if the clock in Redis had been running for long.
    let mut redis = raw(&url).await;
    let clock = format!("{prefix}v1:clock");
    cmd("HSET")
        .arg(clock)
        .arg("floor")
        .arg(0)
        .exec_async(&mut redis)
        .await
        .unwrap();

    cache
        .put(LoadTicket(now - 60_000_000), &snapshot)
        .await
        .unwrap();
    assert_eq!(cache.get(snapshot.session).await, Ok(None));
    cache
        .put(LoadTicket(now - 10_000_000), &snapshot)
        .await
        .unwrap();
    assert_eq!(cache.get(snapshot.session).await, Ok(Some(snapshot)));
}

#[tokio::test]
async fn a_snapshot_of_another_release_is_as_good_as_none() {
    let (url, prefix) = (redis_url(), unique_name());
    let cache = RedisSessionCache::new(node(&url, &prefix).await);
    let snapshot = snapshot();
    load(&cache, &snapshot).await;
    let key = format!("{prefix}v1:session:{}", snapshot.session);
    let mut write = cmd("HSET");
    write.arg(key).arg("snapshot").arg(r#"{"shape":"unknown"}"#);
    write.exec_async(&mut raw(&url).await).await.unwrap();
    assert_eq!(cache.get(snapshot.session).await, Ok(None));
    load(&cache, &snapshot).await;
    assert_eq!(cache.get(snapshot.session).await, Ok(Some(snapshot)));
}

/// A clock that was set back, or another server's after a fail-over.
#[tokio::test]
async fn what_happens_is_in_order_although_the_servers_clock_is_behind() {
    let (url, prefix) = (redis_url(), unique_name());
    let cache = RedisSessionCache::new(node(&url, &prefix).await);
    let snapshot = snapshot();
    let LoadTicket(now) = cache.begin_load().await.unwrap();
    let ahead = now + 3_600_000_000;
    let mut write = cmd("HSET");
    write
        .arg(format!("{prefix}v1:clock"))
        .arg("last")
        .arg(ahead);
    write.exec_async(&mut raw(&url).await).await.unwrap();

    let before = cache.begin_load().await.unwrap();
    assert!(before.0 > ahead);
    let changed = Invalidation::of_account(snapshot.owner.account.id);
    cache.invalidate(&changed).await.unwrap();
    cache.put(before, &snapshot).await.unwrap();
    assert_eq!(cache.get(snapshot.session).await, Ok(None));
    load(&cache, &snapshot).await;
    assert_eq!(cache.get(snapshot.session).await, Ok(Some(snapshot)));
}
