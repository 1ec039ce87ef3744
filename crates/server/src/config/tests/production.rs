//! Refusals of production mode, and conflicts between settings.

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
fn a_database_url_that_is_refused_is_told_of_once() {
    for (url, reason) in [
        (
            "postgres://auth:canary-of-a-store@db.example/auth?sslmod=require",
            "must hold no parameter but these",
        ),
        (
            "postgres://auth:canary-of-a-store@db.example/auth?sslmode=verify-full&sslmode=disable",
            "must hold the parameter sslmode once",
        ),
        ("mysql://db.example/auth", "must be a URL that begins with"),
    ] {
        let pairs = production_but("DATABASE__URL", url);
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let found = mistakes(&pairs);
        assert!(
            found.len() == 1
                && found[0].starts_with("database.url (")
                && found[0].contains(reason)
                && !found[0].contains("canary"),
            "{url}: {found:?}"
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
    let verified = "postgres://auth:canary-of-a-store@db.example/auth?sslmode=verify-full";
    let unverified = "postgres://auth:canary-of-a-store@db.example/auth";
    assert!(warned("DATABASE__URL", unverified, database));
    assert!(!warned("DATABASE__URL", verified, database));
    assert!(warned(
        "DATABASE__REPLICA_URLS",
        "postgres://a:canary-of-a-store@127.0.0.1/a,postgres://b:canary-of-a-store@b/a",
        database
    ));
    let redis = "redis.url or one of redis.sentinel.urls does not begin with rediss://";
    assert!(warned(
        "REDIS__URL",
        "redis://:canary-of-a-store@redis.example",
        redis
    ));
    assert!(!warned(
        "REDIS__URL",
        "rediss://:canary-of-a-store@redis.example",
        redis
    ));
}

#[test]
fn production_mode_refuses_a_store_that_asks_for_no_password_unless_it_is_told_to() {
    let but = |changes: &[(&str, &str)]| {
        let mut pairs = PRODUCTION.to_vec();
        for change in changes {
            pairs.retain(|(name, _)| *name != change.0);
            pairs.push(*change);
        }
        Config::for_serving(None, &variables(&pairs))
    };
    for (name, value, setting, allow) in [
        (
            "DATABASE__URL",
            "postgres://auth@db.example/auth",
            "database.url",
            "DATABASE__ALLOW_WEAK_CREDENTIALS",
        ),
        (
            "DATABASE__URL",
            "postgres://auth:Postgres1@db.example/auth",
            "database.url",
            "DATABASE__ALLOW_WEAK_CREDENTIALS",
        ),
        (
            "DATABASE__REPLICA_URLS",
            "postgres://b:b@b/a",
            "database.replica_urls",
            "DATABASE__ALLOW_WEAK_CREDENTIALS",
        ),
        (
            "REDIS__URL",
            "rediss://redis.example",
            "redis.url",
            "REDIS__ALLOW_WEAK_CREDENTIALS",
        ),
        (
            "REDIS__URL",
            "rediss://:redis@redis.example",
            "redis.url",
            "REDIS__ALLOW_WEAK_CREDENTIALS",
        ),
    ] {
        let found = but(&[(name, value)]).unwrap_err();
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(
            texts.len() == 1
                && texts[0].starts_with(setting)
                && texts[0].contains("must hold a password"),
            "{name}={value}: {texts:?}"
        );
        let told = but(&[(name, value), (allow, "true")]).unwrap();
        let warned = allow.replace("__", ".").to_lowercase();
        assert!(
            told.warnings().iter().any(|it| it.starts_with(&warned)),
            "{warned}"
        );
        // Each of the two settings affects its own store only.
        let other = [
            "DATABASE__ALLOW_WEAK_CREDENTIALS",
            "REDIS__ALLOW_WEAK_CREDENTIALS",
        ];
        let other = other.into_iter().find(|it| *it != allow).unwrap();
        assert!(
            but(&[(name, value), (other, "true")]).is_err(),
            "{name}={value}"
        );
    }
    let socket = "postgres://auth@%2Frun%2Fpostgresql/auth";
    assert!(but(&[("DATABASE__URL", socket)]).is_ok());
    // Development mode has no such restriction.
    settings(&[
        ("DATABASE__URL", "postgres://localhost/auth"),
        ("REDIS__URL", "redis://localhost"),
    ]);
}

#[test]
fn what_a_database_url_asks_for_is_honoured_or_refused() {
    for (parameters, expected) in [
        ("channel_binding=require", "channel_binding"),
        ("sslcrl=/crl", "sslcrl"),
        ("typo=1", "must hold no parameter but these"),
        ("target_session_attrs=standby", "database.replica_urls"),
    ] {
        let url = format!("postgres://auth:canary-of-a-store@a:1,b:2/auth?{parameters}");
        let found = mistakes(&[("DATABASE__URL", &url)]);
        let mistake = found
            .iter()
            .find(|it| it.starts_with("database.url"))
            .unwrap();
        assert!(mistake.contains(expected), "{mistake}");
        assert!(!mistake.contains("canary"), "{mistake}");
    }
    settings(&[
        (
            "DATABASE__URL",
            "postgres://auth@a:1,b:2/auth?target_session_attrs=read-write",
        ),
        (
            "DATABASE__REPLICA_URLS",
            "postgres://auth@c/auth?target_session_attrs=standby",
        ),
    ]);
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

#[test]
fn topologies_of_redis_that_make_no_sense_are_refused() {
    let sentinel = [("REDIS__MODE", "sentinel"), ("REDIS__URL", "redis://main")];
    let cluster = [("REDIS__MODE", "cluster"), ("REDIS__URL", "redis://node/0")];
    let urls = ("REDIS__SENTINEL__URLS", "redis://a:26379,redis://b:26379");
    let with = |base: &[(&'static str, &'static str)], more: &[(&'static str, &'static str)]| {
        let names: Vec<_> = more.iter().map(|(name, _)| *name).collect();
        let kept = base.iter().filter(|(name, _)| !names.contains(name));
        kept.chain(more).copied().collect::<Vec<_>>()
    };
    for (pairs, setting, reason) in [
        (with(&sentinel, &[]), "redis.sentinel.urls", "must be set"),
        (
            with(&sentinel, &[urls, ("REDIS__URL", "")]),
            "redis.url",
            "must be set",
        ),
        (
            with(&sentinel, &[urls, ("REDIS__URL", "redis://main:6379")]),
            "redis.url",
            "must not have a port",
        ),
        (
            with(&cluster, &[urls]),
            "redis.sentinel.urls",
            "must not be set",
        ),
        (
            with(&sentinel, &[urls, ("REDIS__CLUSTER__NODES", "a:1")]),
            "redis.cluster.nodes",
            "must not be set",
        ),
        (
            with(&cluster, &[("REDIS__URL", "redis://node/1")]),
            "redis.url",
            "must not choose a database",
        ),
        (
            with(&cluster, &[("REDIS__KEY_PREFIX", "fa:")]),
            "redis.key_prefix",
            "must hold a hash tag",
        ),
        (
            with(&cluster, &[("REDIS__CA_FILE", "/ca.pem")]),
            "redis.ca_file",
            "must not be set without TLS",
        ),
        (
            vec![("REDIS__MODE", "both")],
            "redis.mode",
            "must be standalone",
        ),
    ] {
        let found = mistakes(&pairs);
        let is_told = found.len() == 1 && found[0].starts_with(setting);
        assert!(is_told && found[0].contains(reason), "{pairs:?}: {found:?}");
    }
    assert_eq!(settings(&cluster).redis.key_prefix, "{fa}:");
    assert_eq!(settings(&with(&sentinel, &[urls])).redis.key_prefix, "fa:");
    let weak = [
        ("REDIS__MODE", "sentinel"),
        ("REDIS__URL", "rediss://:canary-of-a-store@main"),
        ("REDIS__SENTINEL__URLS", "rediss://a:26379"),
    ];
    let weak: Vec<_> = with(&PRODUCTION, &weak);
    let found = mistakes(&weak);
    assert!(
        found.len() == 1 && found[0].starts_with("redis.sentinel.urls"),
        "{found:?}"
    );
}
