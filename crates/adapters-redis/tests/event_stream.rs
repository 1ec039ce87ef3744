//! Events in a Redis stream, as a reader of the stream sees them.

mod support;

use adapters_redis::RedisEventStream;
use authentication_app::ports::{EventSink as _, OutgoingEvent, SinkError};
use authentication_domain::accounts::AccountId;
use deadpool_redis::redis::cmd;
use testkit::{builders::id, clock::START, redis_url, servers::RedisServer, unique_name};

use support::{Place, node, raw, until};

fn event() -> OutgoingEvent {
    let account: AccountId = id();
    OutgoingEvent {
        id: id(),
        type_name: "com.fashionistar.auth.session.ended.v1".to_owned(),
        account,
        at: START,
        body: r#"{"specversion":"1.0"}"#.to_owned(),
    }
}

#[tokio::test]
async fn t76_an_event_is_an_entry_and_a_repetition_one_with_the_same_id() {
    let (url, key) = (redis_url(), format!("{}:events", unique_name()));
    let stream = RedisEventStream::new(&node(&url, "unused:").await, key.clone(), 1_000);
    let event = event();
    for _ in 0..2 {
        stream.deliver(&event, START).await.unwrap();
    }
    let mut redis = raw(&url).await;
    let entries: Vec<(String, Vec<(String, String)>)> = cmd("XRANGE")
        .arg(&[key.as_str(), "-", "+"])
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(entries.len(), 2);
    let fields = [
        ("id", event.id.to_string()),
        ("type", event.type_name),
        ("subject", event.account.to_string()),
        ("time", (START.unix_timestamp_nanos() / 1_000).to_string()),
        ("event", event.body),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    for (_, entry) in entries {
        assert_eq!(entry, fields);
    }
}

#[tokio::test]
async fn the_stream_keeps_about_as_many_as_it_should() {
    let (url, key) = (redis_url(), format!("{}:events", unique_name()));
    let stream = RedisEventStream::new(&node(&url, "unused:").await, key.clone(), 100);
    for _ in 0..500 {
        stream.deliver(&event(), START).await.unwrap();
    }
    let mut redis = raw(&url).await;
    let length: u64 = cmd("XLEN").arg(&key).query_async(&mut redis).await.unwrap();
    // Redis trims whole internal nodes, of a hundred entries each.
    assert!((100..=200).contains(&length), "{length}");
}

/// An operator chooses the name, so the stream may be on any node of a Cluster.
#[tokio::test]
async fn on_a_cluster_the_stream_lives_where_its_name_puts_it() {
    let prefix = Place::Cluster.prefix();
    let redis = Place::Cluster.node(&prefix).await;
    // At least one name for each third of the slots, and one next to our other keys.
    let elsewhere = (0..12).map(|_| unique_name());
    let names = elsewhere.chain([format!("{prefix}events")]);
    for key in names {
        let stream = RedisEventStream::new(&redis, key.clone(), 100);
        // The first call finds no connection yet, as in a relay.
        until(async || stream.deliver(&event(), START).await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_away() {
    let mut server = RedisServer::start().await;
    let stream = RedisEventStream::new(&node(&server.url(), "").await, "events".to_owned(), 100);
    stream.deliver(&event(), START).await.unwrap();
    server.stop();
    let away = SinkError::away("Redis does not take it");
    assert_eq!(stream.deliver(&event(), START).await, Err(away));
}
