use super::*;
use crate::config::RedisTopology;

async fn refused(config: RedisConfig) -> Option<InvalidRedisConfig> {
    RedisConnection::connect(&config).await.err()
}

#[tokio::test]
async fn what_is_no_url_of_redis_is_refused_and_not_repeated() {
    for url in [
        "",
        "redis",
        "http://127.0.0.1",
        "redis://:hunter2@127.0.0.1:port/0",
    ] {
        let refused = refused(RedisConfig::new(url)).await;
        assert_eq!(refused, Some(InvalidRedisConfig::Url), "{url}");
    }
    assert!(!InvalidRedisConfig::Url.to_string().contains("hunter2"));
}

#[tokio::test]
async fn what_no_topology_can_be_made_of_is_refused() {
    let with = |topology| RedisConfig {
        topology,
        key_prefix: "{fa}:".to_owned(),
        ..RedisConfig::new("redis://127.0.0.1:1")
    };
    let sentinels = |urls: &[&str]| RedisTopology::Sentinel {
        sentinels: urls.iter().map(|url| (*url).into()).collect(),
    };
    let cluster = |nodes: &[&str]| RedisTopology::Cluster {
        nodes: nodes.iter().map(ToString::to_string).collect(),
    };
    let none = with(sentinels(&[]));
    assert_eq!(refused(none).await, Some(InvalidRedisConfig::Sentinels));
    let malformed = with(sentinels(&["redis://127.0.0.1:2", "127.0.0.1:3"]));
    let expected = Some(InvalidRedisConfig::Sentinels);
    assert_eq!(refused(malformed).await, expected);
    let portless = with(cluster(&["127.0.0.1"]));
    assert_eq!(refused(portless).await, Some(InvalidRedisConfig::Nodes));
    let untagged = RedisConfig {
        key_prefix: "fa:".to_owned(),
        ..with(cluster(&[]))
    };
    assert_eq!(refused(untagged).await, Some(InvalidRedisConfig::Prefix));
    let database = RedisConfig {
        url: "redis://127.0.0.1:1/2".into(),
        ..with(cluster(&[]))
    };
    assert_eq!(refused(database).await, Some(InvalidRedisConfig::Database));
    let authorities = RedisConfig {
        authorities: Some(b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----".into()),
        ..RedisConfig::new("rediss://127.0.0.1:1")
    };
    let expected = Some(InvalidRedisConfig::Authorities);
    assert_eq!(refused(authorities).await, expected);
}
