//! Redis in each topology, and one that does not do all that the service asks of it.

use testkit::{redis_cluster_url, redis_sentinel_url, redis_url, servers::RedisServer};

use super::{Used, assert_finding};

fn assert_redis(used: &Used, settings: &[(&str, &str)], health: &str, seen: &str) {
    let data = used.data();
    let mut all = vec![("DATA_DIR", data.as_str())];
    all.extend(settings);
    let status = i32::from(health == "fail");
    assert_finding(&all, "redis", health, seen, status);
}

#[test]
fn every_topology_is_examined() {
    let used = Used::new();
    let (sentinel, cluster, alone) = (redis_sentinel_url(), redis_cluster_url(), redis_url());
    let by_sentinel = [
        ("REDIS__MODE", "sentinel"),
        ("REDIS__URL", "redis://tests/0"),
        ("REDIS__SENTINEL__URLS", sentinel.as_str()),
    ];
    assert_redis(&used, &by_sentinel, "ok", "names 127.0.0.1:");
    assert_redis(&used, &by_sentinel, "ok", "noeviction");
    let some_away = format!("redis://127.0.0.1:1,{sentinel}");
    let by_some = [
        by_sentinel[0],
        by_sentinel[1],
        ("REDIS__SENTINEL__URLS", &some_away),
    ];
    assert_redis(&used, &by_some, "warn", "sentinel 127.0.0.1:1: ");
    let unknown = [
        by_sentinel[0],
        ("REDIS__URL", "redis://other/0"),
        by_sentinel[2],
    ];
    assert_redis(
        &used,
        &unknown,
        "fail",
        "cannot be used (master name not found",
    );
    let of_cluster = [("REDIS__MODE", "cluster"), ("REDIS__URL", cluster.as_str())];
    assert_redis(&used, &of_cluster, "ok", "noeviction");
    assert_redis(&used, &[of_cluster[1]], "fail", "a node of a Cluster");
    let no_cluster = [of_cluster[0], ("REDIS__URL", alone.as_str())];
    assert_redis(&used, &no_cluster, "fail", "no node of a Cluster");
}

#[tokio::test]
async fn a_user_without_rights_is_told_by_what_it_lacks() {
    let (used, server) = (Used::new(), RedisServer::start().await);
    let url = format!("redis://service:word@127.0.0.1:{}/0", server.port());
    let all = "ACL SETUSER service reset on >word ~fa:* &fa:* +@all";
    for (right, seen) in [
        ("-publish", "refuses PUBLISH on our channel (NOPERM)"),
        (
            "-subscribe",
            "does not let us listen to our channel (NOPERM)",
        ),
        ("-hdel", "its user lacks rights: +hdel"),
        ("-get -pttl -hincrby", "lacks rights: +get +pttl +hincrby"),
        ("-time", "lacks rights: +time"),
        ("-script|load", "lacks rights: +script|load"),
        ("-@scripting", "lacks rights: +evalsha +script|load"),
        (
            "-del -publish",
            "lacks rights: +del; it refuses PUBLISH on our channel (NOPERM)",
        ),
        ("resetkeys ~other:*", "lacks rights: ~fa:*"),
    ] {
        server.order(&format!("{all} {right}"));
        assert_redis(&used, &[("REDIS__URL", &url)], "fail", seen);
    }
    server.order(&format!("{all} -info"));
    assert_redis(&used, &[("REDIS__URL", &url)], "warn", "INFO is refused");
    server.order(&format!("{all} -role"));
    assert_redis(
        &used,
        &[("REDIS__URL", &url)],
        "warn",
        "lacks rights: +role",
    );
    // Only who writes events there needs the right to.
    server.order(&format!("{all} -xadd"));
    assert_redis(&used, &[("REDIS__URL", &url)], "ok", "noeviction");
    let with_events = [("REDIS__URL", url.as_str()), ("EVENTS__SINKS", "redis")];
    assert_redis(&used, &with_events, "fail", "lacks rights: +xadd");
    server.order(all);
    assert_redis(
        &used,
        &with_events,
        "ok",
        "noeviction, in memory only (enough)",
    );
    let elsewhere = url.replace("/0", "/99");
    assert_redis(
        &used,
        &[("REDIS__URL", &elsewhere)],
        "fail",
        "cannot be used (no such database)",
    );
}
