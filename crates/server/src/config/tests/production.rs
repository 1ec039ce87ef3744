//! What production mode refuses, and which settings do not go together.

use super::*;

#[test]
fn production_mode_refuses_what_is_for_development() {
    settings(&PRODUCTION);
    let table = [
        (
            "DATABASE__URL",
            "",
            "database.url",
            "must be a postgres:// URL",
        ),
        (
            "DATABASE__URL",
            "sqlite:///srv/auth.db",
            "database.url",
            "must be a postgres:// URL",
        ),
        ("HTTP__PUBLIC_URL", "", "http.public_url", "must be set"),
        (
            "HTTP__PUBLIC_URL",
            "http://auth.example.com",
            "http.public_url",
            "https://",
        ),
        ("KEYS__FILE", "", "keys.file", "must be set"),
        (
            "MESSAGES__SENDER",
            "mailbox",
            "messages.sender",
            "must not be mailbox",
        ),
        ("MESSAGES__SENDER", "", "messages.sender", "must be set"),
        (
            "MESSAGES__RESET_PAGE_URL",
            "http://shop.example/reset",
            "messages.reset_page_url",
            "https://",
        ),
        (
            "MESSAGES__NOTICE_PAGE_URL",
            "http://shop.example/notice",
            "messages.notice_page_url",
            "https://",
        ),
        (
            "WEBAUTHN__ORIGINS",
            "http://auth.example.com",
            "webauthn.origins",
            "https://",
        ),
        (
            "WEBAUTHN__ORIGINS",
            "https://www.evilauth.example.com",
            "webauthn.origins",
            "on the domain of webauthn.rp_id",
        ),
        (
            "PROTECTION__EXEMPT_NETWORKS",
            "127.0.0.1",
            "protection.exempt_networks",
            "must not be set",
        ),
    ];
    for (name, value, setting, reason) in table {
        let pairs = production_but(name, value);
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let found = mistakes(&pairs);
        let of_setting = found.iter().find(|mistake| mistake.starts_with(setting));
        assert!(
            of_setting.is_some_and(|it| it.contains(reason)),
            "{name}={value}: {found:?}"
        );
    }
}

#[test]
fn production_mode_may_keep_to_one_node_and_says_so() {
    let pairs = production_but("REDIS__URL", "");
    let pairs: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    let warnings = settings(&pairs).warnings();
    assert!(
        warnings
            .iter()
            .any(|it| it.starts_with("redis.url is not set")),
        "{warnings:?}"
    );
    assert!(
        warnings
            .iter()
            .any(|it| it.starts_with("messages.sender is none")),
        "{warnings:?}"
    );
    assert_eq!(Config::default().warnings(), Vec::<&str>::new());
}

#[test]
fn production_mode_says_what_works_only_by_luck() {
    let warned = |name: &str, value: &str, expected: &str| {
        let pairs = production_but(name, value);
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let warnings = settings(&pairs).warnings();
        warnings.iter().any(|it| it.starts_with(expected))
    };
    let proxies = "http.trusted_proxies is not set";
    assert!(warned("HTTP__TRUSTED_PROXIES", "", proxies));
    assert!(!warned("HTTP__TRUSTED_PROXIES", "10.0.0.0/8", proxies));
    let database = "database.url or one of database.replica_urls lacks sslmode=verify-full";
    let verified = "postgres://auth@db.example/auth?sslmode=verify-full";
    assert!(warned(
        "DATABASE__URL",
        "postgres://db.example/auth",
        database
    ));
    assert!(!warned("DATABASE__URL", verified, database));
    assert!(warned(
        "DATABASE__REPLICA_URLS",
        "postgres://127.0.0.1/a,postgres://b/a",
        database
    ));
    let redis = "redis.url does not begin with rediss://";
    assert!(warned("REDIS__URL", "redis://redis.example", redis));
    assert!(!warned("REDIS__URL", "rediss://redis.example", redis));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let twice = mistakes(&[("KEYS__FILE", "a"), ("KEYS__JSON", "{}")]);
    assert!(
        twice
            .iter()
            .any(|it| it.contains("together with keys.file")),
        "{twice:?}"
    );
    let same = [
        ("HTTP__LISTEN", "127.0.0.1:81"),
        ("MANAGEMENT__LISTEN", "127.0.0.1:81"),
    ];
    assert_eq!(mistakes(&same).len(), 1);
    settings(&[
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("MANAGEMENT__LISTEN", "127.0.0.1:0"),
    ]);
}
