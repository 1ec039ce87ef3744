//! Which rights a Redis user needs, and how missing ones are reported.

mod support;

use adapters_redis::{
    MissingRights, RIGHTS, RedisConfig, RedisConnection, RedisRevocations, RedisTrouble,
};
use support::{node, until};
use testkit::{LogCapture, servers::RedisServer};

fn order_user(server: &RedisServer, rights: &str) {
    let rights = rights.replace("PREFIX", "fa:");
    server.order(&format!("ACL SETUSER service reset on >word {rights}"));
}

async fn service_on(server: &RedisServer) -> RedisConnection {
    let url = format!("redis://service:word@127.0.0.1:{}/0", server.port());
    node(&url, "fa:").await
}

#[tokio::test]
async fn what_a_user_may_not_do_is_told_apart() {
    let server = RedisServer::start().await;
    let verdict = async |rights: String| {
        order_user(&server, &rights);
        let redis = service_on(&server).await;
        let health = redis.health().await;
        match health {
            Ok(()) => redis.hear_oneself().await,
            trouble => trouble,
        }
    };
    assert_eq!(verdict(RIGHTS.to_owned()).await, Ok(()));
    let without = |right: &str| format!("{RIGHTS} {right}");
    for right in ["-evalsha", "-hset", "-time"] {
        let said = verdict(without(right)).await;
        assert!(matches!(said, Err(RedisTrouble::Unusable(_))), "{said:?}");
    }
    for right in ["-hdel", "-pttl", "-set"] {
        let said = verdict(without(right)).await;
        assert!(
            matches!(said, Err(RedisTrouble::RefusesCommands(_))),
            "{right}: {said:?}"
        );
    }
    let no_right = |reason: &str| reason.to_owned();
    for right in ["-publish", "resetchannels", "resetchannels &other:*"] {
        let expected = RedisTrouble::RefusesPublish(no_right("NOPERM"));
        assert_eq!(verdict(without(right)).await, Err(expected), "{right}");
    }
    let expected = RedisTrouble::RefusesSubscribe(no_right("NOPERM"));
    assert_eq!(verdict(without("-subscribe")).await, Err(expected));
    // Keys under another prefix belong to someone else.
    let said = verdict(RIGHTS.replace("PREFIX", "other:")).await;
    assert!(matches!(said, Err(RedisTrouble::Unusable(_))), "{said:?}");
}

#[tokio::test]
async fn a_node_that_may_not_listen_is_not_well_and_is_when_it_may() {
    let (log, _capturing) = LogCapture::on_this_thread();
    let server = RedisServer::start().await;
    order_user(&server, &format!("{RIGHTS} -subscribe"));
    let redis = service_on(&server).await;
    assert_eq!(redis.health().await, Ok(()), "nobody listens yet");
    RedisRevocations::new(redis.clone()).subscribe(|_| {}, || {}, std::future::pending());
    let expected = RedisTrouble::RefusesSubscribe("NOPERM".to_owned());
    until(async || redis.health().await == Err(expected.clone())).await;
    until(async || log.text().contains("cannot listen for revocations")).await;
    server.order("ACL SETUSER service +subscribe");
    until(async || redis.health().await == Ok(())).await;
    let told = log.text().matches("cannot listen for revocations").count();
    assert_eq!(told, 1, "once, however often it is tried");
}

#[tokio::test]
async fn a_health_check_leaves_nothing_behind() {
    let server = RedisServer::start().await;
    let redis = RedisConnection::connect(&RedisConfig::new(server.url()))
        .await
        .unwrap();
    redis.health().await.unwrap();
    redis.hear_oneself().await.unwrap();
    assert_eq!(server.ask("DBSIZE"), ":0\r\n");
}

#[tokio::test]
async fn each_right_that_is_missing_is_named() {
    let server = RedisServer::start().await;
    let missing = async |rights: &str, stream: Option<&str>| {
        order_user(&server, rights);
        let redis = service_on(&server).await;
        redis.missing_rights(stream).await.unwrap()
    };
    let stream = Some("fa:events");
    assert!(missing(RIGHTS, stream).await.is_empty());
    // The channel is tried by listening to it, and a subcommand cannot be withdrawn from its command.
    let not_here = [
        "publish",
        "subscribe",
        "script|load",
        "role",
        "cluster|slots",
        "info",
    ];
    let names = RIGHTS.split(' ').filter_map(|rule| rule.strip_prefix('+'));
    for name in names.filter(|name| !not_here.contains(name)) {
        let found = missing(&format!("{RIGHTS} -{name}"), stream).await;
        assert_eq!(found.needed, [format!("+{name}")], "{found:?}");
        assert!(found.for_looks.is_empty(), "{found:?}");
    }
    // A Redis that has the scripts already runs them; one that was restarted does not.
    let without_loading = RIGHTS.replace("+script|load ", "");
    let found = missing(&without_loading, stream).await;
    assert_eq!(found.needed, ["+script|load"]);
    let found = missing(&format!("{RIGHTS} -get -pttl -hincrby"), None).await;
    assert_eq!(found.needed, ["+get", "+pttl", "+hincrby"]);
    let found = missing(&format!("{RIGHTS} -role -info -xadd"), None).await;
    let only_looks = MissingRights {
        needed: Vec::new(),
        for_looks: vec!["+role".to_owned(), "+info".to_owned()],
    };
    assert_eq!(found, only_looks, "no event is written there");
    // Access to keys is a right of its own.
    let found = missing(&RIGHTS.replace("PREFIX", "other:"), None).await;
    assert_eq!(found.needed, ["~fa:*"]);
    let found = missing(RIGHTS, Some("elsewhere")).await;
    assert_eq!(found.needed, ["~elsewhere"]);
    // A key that the user may not delete expires.
    missing(RIGHTS, stream).await;
    until(async || server.ask("DBSIZE") == ":0\r\n").await;
}

#[tokio::test]
async fn a_server_that_answers_says_what_is_wrong() {
    let server = RedisServer::start().await;
    let trouble = async |redis: &RedisConnection, reason: &str| {
        let expected = RedisTrouble::Unusable(reason.to_owned());
        until(async || redis.health().await == Err(expected.clone())).await;
    };
    let elsewhere = format!("redis://127.0.0.1:{}/99", server.port());
    trouble(&node(&elsewhere, "fa:").await, "no such database").await;
    let redis = node(&server.url(), "fa:").await;
    server.order("CONFIG SET min-replicas-to-write 1");
    trouble(&redis, "NOREPLICAS").await;
    server.order("CONFIG SET min-replicas-to-write 0");
    server.order("CONFIG SET maxmemory 1");
    trouble(&redis, "OOM").await;
    server.order("CONFIG SET maxmemory 0");
    until(async || redis.health().await == Ok(())).await;
    // A command that a script may not run is a missing right under any error code.
    order_user(&server, &format!("{RIGHTS} -hdel"));
    let expected = RedisTrouble::RefusesCommands("NOPERM".to_owned());
    assert_eq!(service_on(&server).await.health().await, Err(expected));
}

/// A server that has just started has nothing to save, which does not mean that it persists data.
#[tokio::test]
async fn persistence_is_told_only_where_it_is_known() {
    let server = RedisServer::start().await;
    let persistent = async |redis: &RedisConnection| redis.examine().await.unwrap().is_persistent;
    let redis = node(&server.url(), "fa:").await;
    assert_eq!(persistent(&redis).await, Some(false));
    order_user(&server, RIGHTS);
    let service = service_on(&server).await;
    assert_eq!(persistent(&service).await, None, "it may not ask");
    server.order("CONFIG SET appendonly yes");
    assert_eq!(persistent(&service).await, Some(true));
}
