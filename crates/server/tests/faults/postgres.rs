//! PostgreSQL restarts under load, freezes, and has no connection left.

use serde_json::{Value, json};
use testkit::{
    TestDatabase,
    servers::{PostgresServer, RedisServer},
};
use tokio::task::JoinSet;

use crate::{
    client::{Answer, Client},
    process::Service,
    visitor::{Visitor, a_moment, all_the_while, visitors},
};

/// For load: what limits by address do is not what these are about.
const NO_LIMIT: (&str, &str) = ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8");

/// One request of every kind at once: some write, some read, some are signed in.
async fn everything_at_once(client: &Client, people: &[Visitor]) -> Vec<(&'static str, Answer)> {
    fn post(
        all: &mut JoinSet<(&'static str, Answer)>,
        client: &Client,
        path: &'static str,
        body: Value,
    ) {
        let client = client.clone();
        all.spawn(async move { (path, client.post(path, &body).await) });
    }
    let mut all = JoinSet::new();
    for (number, person) in people.iter().enumerate() {
        let email = format!("newcomer-{number}@example.com");
        let guess = json!({"identifier": email, "password": "umbrella-Canyon-13-violet"});
        post(&mut all, client, "/api/v1/auth/login", guess);
        let who = json!({"identifier": email});
        post(&mut all, client, "/api/v1/auth/login/otp", who.clone());
        post(&mut all, client, "/api/v1/auth/password/reset", who);
        let newcomer = json!({"email": email, "password": crate::visitor::PASSWORD});
        post(&mut all, client, "/api/v1/auth/register", newcomer);
        let (client, token) = (client.clone(), person.access().to_owned());
        all.spawn(async move {
            let path = "/api/v1/me/sessions";
            (path, client.get_as(&token, path).await)
        });
    }
    all.join_all().await
}

fn assert_all_are_refused(answers: &[(&str, Answer)]) {
    for (path, answer) in answers {
        assert!(answer.is_unavailable(), "{path}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_whatever_was_confirmed_survives_a_restart_of_postgres_under_load() {
    let server = PostgresServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE__URL", server.url()),
        (NO_LIMIT.0, NO_LIMIT.1.to_owned()),
    ];
    let settings = settings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let mut service = Service::start(folder.path(), &settings);
    let client = Client::of(&service);
    let people = visitors(&client, 6).await;
    let mut people = all_the_while(people, async {
        a_moment().await;
        server.stop_immediately();
        assert_eq!(
            client.until_readiness_is("not_ready").await,
            ["database=down"]
        );
        assert_eq!(client.get("/health/live").await.status, 200);
        a_moment().await;
        server.restart().await;
        assert_eq!(client.until_readiness_is("ready").await, ["database=up"]);
        a_moment().await;
    })
    .await;
    let refused: u32 = people.iter().map(|person| person.count(503)).sum();
    assert!(refused > 0, "nobody was there when it was away");
    for person in &mut people {
        person.assert_promises_were_kept().await;
    }
    service.wait_for("PostgreSQL cannot be reached: requests are refused until it is back");
    service.wait_for("PostgreSQL is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_every_request_ends_while_postgres_and_redis_are_frozen() {
    let server = PostgresServer::start().await;
    let redis = RedisServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE__URL", &*server.url()),
        ("REDIS__URL", &redis.url()),
        NO_LIMIT,
    ];
    let service = Service::start(folder.path(), &settings);
    let client = Client::of(&service);
    let mut people = visitors(&client, 6).await;
    server.freeze();
    redis.freeze();
    assert_all_are_refused(&everything_at_once(&client, &people).await);
    assert_eq!(client.get("/health/live").await.status, 200);
    assert_eq!(client.get("/.well-known/jwks.json").await.status, 200);
    let told = client.until_readiness_is("not_ready").await;
    assert_eq!(told, ["database=down", "redis=down"]);
    assert_all_are_refused(&everything_at_once(&client, &people).await);
    server.thaw();
    redis.thaw();
    client.until_readiness_is("ready").await;
    for person in &mut people {
        person.assert_promises_were_kept().await;
        person.sign_in().await;
        assert_eq!(person.look().await, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_pool_without_a_free_connection_refuses_and_serves_again() {
    let database = TestDatabase::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE__URL", database.url()),
        ("DATABASE__MAX_CONNECTIONS", "3"),
        ("DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1"),
        ("DATABASE__STATEMENT_TIMEOUT_SECONDS", "3"),
        NO_LIMIT,
    ];
    let service = Service::start(folder.path(), &settings);
    let client = Client::of(&service);
    let mut people = visitors(&client, 8).await;
    let locks = database
        .lock(&["accounts", "challenges", "sessions", "code_dispatches"])
        .await;
    let asked = tokio::spawn({
        let client = client.clone();
        async move {
            let answers = everything_at_once(&client, &people).await;
            (people, answers)
        }
    });
    // It answers, and is not to be taken out of service for that.
    let told = client.until_readiness_is("degraded").await;
    assert_eq!(told, ["database=degraded"]);
    assert_eq!(client.get("/health/live").await.status, 200);
    let answers;
    (people, answers) = asked.await.unwrap();
    assert_all_are_refused(&answers);
    drop(locks);
    client.until_readiness_is("ready").await;
    for person in &mut people {
        person.assert_promises_were_kept().await;
    }
    for (path, answer) in everything_at_once(&client, &people).await {
        assert!(answer.status < 500, "{path}: {answer:?}");
    }
}
