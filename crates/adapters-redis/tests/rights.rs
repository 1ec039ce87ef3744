//! What a user of Redis may do, and what is said of one who may not.

mod support;

use adapters_redis::{RIGHTS, RedisConfig, RedisConnection, RedisRevocations, RedisTrouble};
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
    // Another prefix is another's.
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
