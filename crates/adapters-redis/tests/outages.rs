//! Redis fails and recovers while the process keeps running.

mod support;

use adapters_redis::{RedisConfig, RedisConnection, RedisSessionCache, RedisThrottle};
use authentication_app::ports::{
    CacheError, Invalidation, SessionCache, Throttle, ThrottleKey, ThrottleRequest,
};
use authentication_domain::{accounts::AccountId, protection::Quota};
use support::{connections, get, load, node, snapshot, until, until_connected};
use testkit::{builders::id, servers::RedisServer};
use time::Duration;
use tokio::time::{Instant, sleep};

/// Long enough for many attempts if there were no pauses between them.
const A_WHILE: std::time::Duration = std::time::Duration::from_secs(2);

/// A node with everything that it has on Redis.
struct Node {
    redis: RedisConnection,
    cache: RedisSessionCache,
    throttle: RedisThrottle,
}

impl Node {
    async fn on(server: &RedisServer) -> Self {
        Self::with(node(&server.url(), "fa:").await)
    }

    fn with(redis: RedisConnection) -> Self {
        Self {
            cache: RedisSessionCache::new(redis.clone()),
            throttle: RedisThrottle::new(redis.clone()),
            redis,
        }
    }

    async fn count(&self) -> Result<(), CacheError> {
        let request = ThrottleRequest {
            key: ThrottleKey("caller".to_owned()),
            quota: Quota {
                calls: 5,
                window: Duration::MINUTE,
            },
        };
        self.throttle.count(&[request]).await.map(|_| ())
    }

    async fn every_call_fails(&self) {
        let snapshot = snapshot();
        assert_eq!(self.redis.try_writing().await, Err(CacheError));
        assert_eq!(self.count().await, Err(CacheError));
        assert_eq!(self.cache.get(snapshot.session).await, Err(CacheError));
        assert_eq!(self.cache.begin_load().await, Err(CacheError));
    }

    async fn every_call_succeeds(&self) {
        let snapshot = snapshot();
        load(&self.cache, &snapshot).await;
        assert_eq!(get(&self.cache, snapshot.session).await, Some(snapshot));
        assert_eq!(self.count().await, Ok(()));
    }
}

#[tokio::test]
async fn a_server_that_is_back_is_used_again_by_the_same_process() {
    let mut server = RedisServer::start().await;
    let node = Node::on(&server).await;
    node.every_call_succeeds().await;
    for _ in 0..3 {
        server.kill();
        node.every_call_fails().await;
        server.restart().await;
        until_connected(&node.redis).await;
        node.every_call_succeeds().await;
    }
}

#[tokio::test]
async fn a_server_that_was_away_at_the_start_is_used_when_it_comes() {
    let mut server = RedisServer::start().await;
    server.kill();
    let node = Node::on(&server).await;
    node.every_call_fails().await;
    server.restart().await;
    until_connected(&node.redis).await;
    node.every_call_succeeds().await;
}

/// Ten thousand response time-outs in a row would exceed any test's time limit.
#[tokio::test]
async fn a_frozen_server_does_not_make_every_caller_wait() {
    let server = RedisServer::start().await;
    let config = RedisConfig::new(server.url());
    let node = Node::with(RedisConnection::connect(&config).await.unwrap());
    server.freeze();
    for _ in 0..10_000 {
        assert_eq!(node.count().await, Err(CacheError));
    }
    server.thaw();
    until_connected(&node.redis).await;
    node.every_call_succeeds().await;
}

#[tokio::test]
async fn a_thread_with_a_runtime_to_itself_has_a_connection_that_goes_with_the_line() {
    let mut server = RedisServer::start().await;
    let node = Node::on(&server).await;
    for _ in 0..3 {
        until(async || node.count().await.is_ok() && connections(&server.url()).await == 2).await;
        node.every_call_succeeds().await;
        server.kill();
        node.every_call_fails().await;
        server.restart().await;
        until_connected(&node.redis).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_that_share_a_runtime_share_a_connection() {
    let server = RedisServer::start().await;
    let node = Node::on(&server).await;
    for _ in 0..100 {
        assert_eq!(node.count().await, Ok(()));
    }
    assert_eq!(connections(&server.url()).await, 1);
}

/// Each of these servers still answers a PING.
#[tokio::test]
async fn a_server_that_refuses_is_as_one_that_is_away_and_is_not_stormed() {
    for (refuse, take_again) in [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
        (
            "ACL SETUSER default -evalsha -eval",
            "ACL SETUSER default +@all",
        ),
        ("ACL SETUSER default -hset", "ACL SETUSER default +@all"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    ] {
        let server = RedisServer::start().await;
        let node = Node::on(&server).await;
        node.every_call_succeeds().await;
        server.order(refuse);
        // The server refuses the first calls; after that, no call reaches it.
        while node.redis.try_writing().await.is_ok() {}
        until(async || node.cache.get(snapshot().session).await.is_err()).await;
        let connections = || server.figure("stats", "total_connections_received");
        let (before, began) = (connections(), Instant::now());
        let mut asked = 0_u32;
        while began.elapsed() < A_WHILE {
            assert_eq!(node.count().await, Err(CacheError), "{refuse}");
            asked += 1;
            sleep(A_WHILE / 1_000).await;
        }
        // One connection is the test's own. The pause grows with each failure, up to one second.
        let came = connections() - before;
        assert!(came <= 8, "{came} connections for {asked} calls: {refuse}");
        server.order(take_again);
        until_connected(&node.redis).await;
        node.every_call_succeeds().await;
    }
}

#[tokio::test]
async fn one_call_that_is_wrong_closes_redis_to_nobody() {
    let server = RedisServer::start().await;
    let node = Node::on(&server).await;
    node.every_call_succeeds().await;
    server.order("ACL SETUSER default -pttl");
    let known = snapshot();
    load(&node.cache, &known).await;
    for _ in 0..100 {
        assert_eq!(node.cache.get(known.session).await, Err(CacheError));
        assert_eq!(node.count().await, Ok(()));
    }
}

#[tokio::test]
async fn what_ended_while_redis_was_away_is_told_before_it_is_asked_again() {
    let mut server = RedisServer::start().await;
    let (here, there) = (Node::on(&server).await, Node::on(&server).await);
    let (ended, changed, untouched) = (snapshot(), snapshot(), snapshot());
    for snapshot in [&ended, &changed, &untouched] {
        load(&here.cache, snapshot).await;
    }
    server.stop();
    let of_session = Invalidation::of_sessions([ended.session]);
    assert_eq!(here.cache.invalidate(&of_session).await, Err(CacheError));
    let of_account = Invalidation::of_account(changed.owner.account.id);
    assert_eq!(here.cache.invalidate(&of_account).await, Err(CacheError));
    server.restart().await;
    until_connected(&here.redis).await;
    until_connected(&there.redis).await;

    assert_eq!(get(&here.cache, ended.session).await, None);
    for node in [&here, &there] {
        assert_eq!(get(&node.cache, ended.session).await, None);
        assert_eq!(get(&node.cache, changed.session).await, None);
        assert_eq!(
            get(&node.cache, untouched.session).await,
            Some(untouched.clone())
        );
    }
}

#[tokio::test]
async fn more_than_a_node_can_remember_clears_the_cache() {
    let mut server = RedisServer::start().await;
    let (here, there) = (Node::on(&server).await, Node::on(&server).await);
    let kept = snapshot();
    load(&here.cache, &kept).await;
    server.stop();
    for _ in 0..5 {
        let changed: Vec<AccountId> = (0..1_000).map(|_| id()).collect();
        let invalidation = Invalidation {
            ended: Vec::new(),
            changed,
        };
        assert_eq!(here.cache.invalidate(&invalidation).await, Err(CacheError));
    }
    server.restart().await;
    until_connected(&here.redis).await;
    until_connected(&there.redis).await;
    assert_eq!(get(&there.cache, kept.session).await, Some(kept.clone()));
    here.cache.tell_missed().await.unwrap();
    assert_eq!(get(&there.cache, kept.session).await, None);
}

#[tokio::test]
async fn an_invalidation_is_told_although_its_caller_went_away() {
    let server = RedisServer::start().await;
    let (here, there) = (Node::on(&server).await, Node::on(&server).await);
    let ended = [snapshot(), snapshot()];
    for snapshot in &ended {
        load(&here.cache, snapshot).await;
    }
    let [first, second] = [0, 1].map(|which| Invalidation::of_sessions([ended[which].session]));
    server.freeze();
    tokio::select! {
        biased;
        _ = here.cache.invalidate(&first) => panic!("the server is frozen"),
        // Waits for the first call and is not even sent.
        _ = here.cache.invalidate(&second) => panic!("the server is frozen"),
        () = tokio::task::yield_now() => {}
    }
    server.thaw();
    until_connected(&here.redis).await;
    for node in [&here, &there] {
        for snapshot in &ended {
            assert_eq!(get(&node.cache, snapshot.session).await, None);
        }
    }
}

#[tokio::test]
async fn a_server_that_lost_its_data_believes_no_load_from_before() {
    let mut server = RedisServer::start().await;
    let node = Node::on(&server).await;
    let ended = snapshot();
    let before = node.cache.begin_load().await.unwrap();
    node.cache
        .invalidate(&Invalidation::of_sessions([ended.session]))
        .await
        .unwrap();
    server.kill();
    server.restart().await;
    until_connected(&node.redis).await;
    for _ in 0..2 {
        node.cache.put(before, &ended).await.unwrap();
        assert_eq!(get(&node.cache, ended.session).await, None);
        // The second round is with a running clock again.
        node.every_call_succeeds().await;
    }
}
