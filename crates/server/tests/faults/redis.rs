//! Redis is away, frozen, and back.

use serde_json::json;
use testkit::{
    TestDatabase,
    servers::{RedisSentinel, RedisServer},
};

use crate::{
    client::Client,
    process::Service,
    visitor::{Visitor, a_moment, all_the_while, visitors},
};

fn service_on(database: &TestDatabase, redis: &RedisServer, folder: &tempfile::TempDir) -> Service {
    let settings = [
        ("DATABASE__URL", database.url()),
        ("REDIS__URL", &redis.url()),
        ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8"),
    ];
    Service::start(folder.path(), &settings)
}

/// Guesses from nowhere for somebody who is not there: how many are answered before the identifier's limit.
async fn guesses_before_the_limit(client: &Client, whom: &str) -> u32 {
    let body = json!({"identifier": whom, "password": "umbrella-Canyon-13-violet"});
    let mut heard = 0;
    loop {
        let answer = client.post("/api/v1/auth/login", &body).await;
        match (answer.status, answer.code()) {
            (429, "rate_limited") => return heard,
            (401, "invalid_credentials") | (429, "account_locked") => heard += 1,
            _ => panic!("{answer:?}"),
        }
        assert!(heard < 50, "no limit holds");
    }
}

/// No request of these people failed, and what they end is ended at once.
async fn assert_nothing_was_noticed(client: &Client, people: &mut [Visitor]) {
    for person in people {
        assert_eq!(person.count(503), 0, "the database was there all the time");
        person.assert_promises_were_kept().await;
        let gone = person.access().to_owned();
        client.post_as(&gone, "/api/v1/auth/logout").await;
        assert_eq!(client.get_as(&gone, "/api/v1/me").await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_whoever_is_here_notices_nothing_of_a_redis_that_stops_or_freezes() {
    let database = TestDatabase::postgres().await;
    let mut redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut service = service_on(&database, &redis, &folder);
    let client = Client::of(&service);
    let people = visitors(&client, 6).await;
    assert_eq!(
        client.until_readiness_is("ready").await,
        ["database=up", "redis=up"]
    );

    let people = all_the_while(people, async {
        redis.freeze();
        a_moment().await;
        let told = client.until_readiness_is("degraded").await;
        assert_eq!(told, ["database=up", "redis=down"]);
        redis.thaw();
        client.until_readiness_is("ready").await;
        a_moment().await;
    })
    .await;
    let mut people = all_the_while(people, async {
        redis.stop();
        a_moment().await;
        let told = client.until_readiness_is("degraded").await;
        assert_eq!(told, ["database=up", "redis=down"]);
        // Every node counts by itself: the limit of one node is the limit.
        assert_eq!(
            guesses_before_the_limit(&client, "nobody@example.com").await,
            20
        );
        redis.restart().await;
        client.until_readiness_is("ready").await;
        a_moment().await;
    })
    .await;
    assert_nothing_was_noticed(&client, &mut people).await;
    service.wait_for("connected to Redis");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_redis_that_refuses_writes_is_told_as_down() {
    let database = TestDatabase::postgres().await;
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let service = service_on(&database, &redis, &folder);
    let client = Client::of(&service);
    client.until_readiness_is("ready").await;
    redis.order("CONFIG SET maxmemory 1");
    let told = client.until_readiness_is("degraded").await;
    assert_eq!(told, ["database=up", "redis=down"]);
    // The limit of one node holds, as when it is away.
    let heard = guesses_before_the_limit(&client, "nobody@example.com").await;
    assert_eq!(heard, 20);
    redis.order("CONFIG SET maxmemory 0");
    client.until_readiness_is("ready").await;
}

/// Nobody is signed out, and no request fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_whoever_is_here_notices_nothing_of_a_fail_over_by_sentinels() {
    let database = TestDatabase::postgres().await;
    let mut servers = RedisSentinel::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE__URL", database.url()),
        ("REDIS__MODE", "sentinel"),
        ("REDIS__URL", &servers.url()),
        ("REDIS__SENTINEL__URLS", &servers.sentinel_url()),
        ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8"),
    ];
    let mut service = Service::start(folder.path(), &settings);
    let client = Client::of(&service);
    let people = visitors(&client, 4).await;
    client.until_readiness_is("ready").await;
    let mut people = all_the_while(people, async {
        // That Redis is away is over so soon that whoever asks may miss it: the log has it.
        servers.lose_the_primary();
        servers.until_the_replica_is_primary().await;
        a_moment().await;
        client.until_readiness_is("ready").await;
        a_moment().await;
    })
    .await;
    service.wait_for("lost the connection to Redis");
    service.wait_for("connected to Redis");
    assert_nothing_was_noticed(&client, &mut people).await;
}
