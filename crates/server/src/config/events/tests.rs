use std::{fs, path::Path};

use super::*;
use crate::config::{Mistakes, Variables};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn variables(pairs: &[(&str, &str)]) -> Variables {
    let named: Vec<(String, &str)> = pairs
        .iter()
        .map(|(name, value)| (format!("FASHIONISTAR_AUTH__EVENTS__{name}"), *value))
        .collect();
    Variables::from_pairs(named.iter().map(|(name, value)| (name.as_str(), *value)))
}

fn told(read: Result<Config, Mistakes>) -> Vec<String> {
    let mistakes = read.unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
    told(Config::for_serving(None, &variables(pairs)))
}

/// The text of a mistake in a variable.
fn refused(name: &str, reason: &str) -> String {
    let setting = format!("events.{}", name.to_lowercase().replace("__", "."));
    format!("{setting} (variable FASHIONISTAR_AUTH__EVENTS__{name}): {reason}")
}

#[test]
fn nothing_set_tells_the_log_in_development_and_nobody_in_production() {
    let settings = Config::default().events;
    assert_eq!(settings.sinks, [SinkChoice::Log]);
    assert_eq!(settings.source, "urn:fashionistar:auth");
    assert_eq!(settings.delivery_deadline, Duration::from_secs(10));
    assert_eq!(settings.poll, Duration::from_secs(1));
    assert_eq!(
        (settings.most_attempts, settings.retention),
        (48, Days::days(7))
    );
    assert!(!settings.reach.loopback && settings.reach.networks.is_empty());
    assert!(settings.webhooks.is_empty());
    let production = [("FASHIONISTAR_AUTH__MODE", "production")];
    let production = Config::for_commands(None, &Variables::from_pairs(production)).unwrap();
    assert_eq!(production.events.sinks, []);
    assert!(
        production
            .warnings()
            .iter()
            .any(|it| it.starts_with("events.sinks is not set"))
    );
}

#[test]
fn receivers_are_sections_in_a_file_and_in_variables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.toml");
    let text = format!(
        "[events]\nsinks = [\"webhook\", \"log\"]\n\
         [events.webhooks.shop]\nurl = \"https://shop.example.com/hook\"\n\
         secrets = [\"{SECRET}\", \"{OLD_SECRET}\"]\n\
         types = [\"com.fashionistar.auth.account.registered.v1\"]\n\
         [events.webhooks.search]\nurl = \"https://search.example.com\"\n"
    );
    fs::write(&path, text).unwrap();
    let variables = variables(&[("WEBHOOKS__SEARCH__SECRETS", SECRET)]);
    let settings = Config::for_serving(Some(&path), &variables).unwrap().events;
    assert_eq!(settings.sinks, [SinkChoice::Webhook, SinkChoice::Log]);
    let [search, shop] = <[_; 2]>::try_from(settings.webhooks).unwrap();
    assert_eq!(
        (search.destination(), shop.destination()),
        ("webhook:search".to_owned(), "webhook:shop".to_owned())
    );
    assert_eq!((search.secrets.len(), shop.secrets.len()), (1, 2));
    assert_eq!((search.types.len(), shop.types.len()), (0, 1));
    assert!(shop.target.is_some());
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    const INTERNET: &str =
        "must be a host of the public internet, or of one of events.webhook_networks";
    for (name, value, reason) in [
        ("SINKS", "kafka", "must be log, redis or webhook"),
        (
            "SOURCE",
            "no uri",
            "must be a URI, such as urn:fashionistar:auth",
        ),
        (
            "REDIS_STREAM_LENGTH",
            "10",
            "must be a whole number from 1000 to 100000000",
        ),
        ("ALLOW_LOOPBACK", "perhaps", "must be true or false"),
        (
            "WEBHOOK_NETWORKS",
            "0.0.0.0/0",
            "must be networks of /8 or narrower, with IPv6 of /7 or narrower",
        ),
        (
            "DELIVERY_DEADLINE_MILLISECONDS",
            "10001",
            "must be a whole number from 100 to 10000",
        ),
        (
            "POLL_MILLISECONDS",
            "1",
            "must be a whole number from 20 to 60000",
        ),
        (
            "MOST_ATTEMPTS",
            "0",
            "must be a whole number from 1 to 1000",
        ),
        (
            "RETENTION_DAYS",
            "0",
            "must be a whole number from 1 to 3650",
        ),
        (
            "WEBHOOK_PORTS",
            "70000",
            "must be a whole number from 1 to 65535",
        ),
    ] {
        assert_eq!(
            mistakes(&[(name, value)]),
            [refused(name, reason)],
            "{name}"
        );
    }
    for (url, reason) in [
        ("http://hooks.example.com/", "must begin with https://"),
        (
            "https://user:word@hooks.example.com/",
            "must not hold a user name or a password",
        ),
        ("https://127.0.0.1/", INTERNET),
        ("https://2130706433/", INTERNET),
        ("https://localhost/", INTERNET),
        ("https://[::ffff:10.0.0.1]/", INTERNET),
        (
            "https://hooks.example.com:22/",
            "must be on port 443, or on one of events.webhook_ports",
        ),
    ] {
        let settings = [
            ("SINKS", "webhook"),
            ("WEBHOOKS__SHOP__URL", url),
            ("WEBHOOKS__SHOP__SECRETS", SECRET),
        ];
        assert_eq!(
            mistakes(&settings),
            [refused("WEBHOOKS__SHOP__URL", reason)],
            "{url}"
        );
    }
    let settings = [
        ("SINKS", "webhook"),
        ("WEBHOOKS__SHOP__URL", "https://hooks.example.com"),
        ("WEBHOOKS__SHOP__SECRETS", "canary-secret"),
        ("WEBHOOKS__SHOP__COLOUR", "red"),
    ];
    let found = mistakes(&settings);
    assert_eq!(
        found,
        [
            refused(
                "WEBHOOKS__SHOP__SECRETS",
                "must be whsec_ and 24 to 64 random bytes in base64"
            ),
            refused("WEBHOOKS__SHOP__COLOUR", "there is no such setting"),
        ]
    );
}

#[test]
fn receivers_may_be_in_networks_that_are_listed() {
    let settings = [
        ("SINKS", "webhook"),
        ("WEBHOOK_NETWORKS", "10.20.0.0/16, fd12:3456::/32"),
        ("WEBHOOKS__SHOP__URL", "https://10.20.3.4/"),
        ("WEBHOOKS__SHOP__SECRETS", SECRET),
    ];
    let settings = Config::for_serving(None, &variables(&settings))
        .unwrap()
        .events;
    assert_eq!(settings.reach.networks.len(), 2);
    assert!(settings.webhooks[0].target.is_some());
}

#[test]
fn what_does_not_go_together_is_refused() {
    let unset = |setting: &str, reason: &str| format!("{setting} (not set): {reason}");
    assert_eq!(
        mistakes(&[("SINKS", "redis")]),
        [unset(
            "redis.url",
            "must be set when events.sinks has redis"
        )]
    );
    assert_eq!(
        mistakes(&[("SINKS", "webhook")]),
        [refused(
            "SINKS",
            "has webhook, but there is no events.webhooks.NAME.url"
        )]
    );
    assert_eq!(
        mistakes(&[("WEBHOOKS__SHOP__TYPES", "a")]),
        [
            unset(
                "events.sinks",
                "must have webhook when there are events.webhooks: nobody would call them"
            ),
            unset("events.webhooks.shop.url", "must be set"),
            unset("events.webhooks.shop.secrets", "must be set"),
        ]
    );
    let three = [SECRET, OLD_SECRET, SECRET].join(",");
    let settings = [
        ("SINKS", "webhook"),
        ("WEBHOOKS__SHOP__URL", "https://hooks.example.com"),
        ("WEBHOOKS__SHOP__SECRETS", three.as_str()),
    ];
    let reason = "must be one secret, or two while they change";
    assert_eq!(
        mistakes(&settings),
        [refused("WEBHOOKS__SHOP__SECRETS", reason)]
    );
    let nobody = Variables::from_pairs([("FASHIONISTAR_AUTH__MODE", "production")]);
    assert_eq!(
        told(Config::for_relaying(None, &nobody)),
        [unset("events.sinks", "must be set to relay events")]
    );
}

#[test]
fn this_machine_is_no_target_in_production() {
    let pairs = [
        ("FASHIONISTAR_AUTH__MODE", "production"),
        ("FASHIONISTAR_AUTH__EVENTS__SINKS", "log"),
        ("FASHIONISTAR_AUTH__EVENTS__ALLOW_LOOPBACK", "true"),
    ];
    let reason = "must not be set in production mode: it lets webhooks go to this machine";
    assert_eq!(
        told(Config::for_relaying(None, &Variables::from_pairs(pairs))),
        [refused("ALLOW_LOOPBACK", reason)]
    );
}

#[test]
fn networks_that_lead_to_this_machine_are_listed_in_development_alone() {
    let read = |mode: &str, networks: &str| {
        let pairs = [
            ("FASHIONISTAR_AUTH__MODE", mode),
            ("FASHIONISTAR_AUTH__EVENTS__SINKS", "log"),
            ("FASHIONISTAR_AUTH__EVENTS__WEBHOOK_NETWORKS", networks),
        ];
        Config::for_relaying(None, &Variables::from_pairs(pairs))
    };
    for networks in [
        "127.0.0.0/8",
        "127.0.0.1",
        "10.20.0.0/16, 127.0.0.53/32",
        "0.0.0.0/8",
        "169.254.0.0/16",
        "169.254.169.254/32",
        "::1",
        "::/7",
        "fe80::/10",
        "fe80::/64",
        "fe00::/7",
        "::ffff:127.0.0.1/128",
        "::ffff:0:0/96",
    ] {
        let found = told(read("production", networks));
        assert!(
            found.len() == 1
                && found[0].starts_with("events.webhook_networks (variable ")
                && found[0].contains("must not hold loopback or link-local networks"),
            "{networks}: {found:?}"
        );
        read("development", networks).unwrap();
    }
    for networks in ["10.0.0.0/8", "192.168.4.0/24, fd12:3456::/32", "fc00::/7"] {
        read("production", networks).unwrap();
    }
}

#[test]
fn no_secret_and_no_path_is_shown() {
    let settings = [
        ("SINKS", "webhook"),
        (
            "WEBHOOKS__SHOP__URL",
            "https://hooks.example.com/canary-path?canary=1",
        ),
        ("WEBHOOKS__SHOP__SECRETS", SECRET),
    ];
    let config = Config::for_serving(None::<&Path>, &variables(&settings)).unwrap();
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("canary") && !shown.contains("MfKQ9r8"),
        "{shown}"
    );
}

#[test]
fn a_receivers_secrets_may_stand_in_a_file_and_are_masked_like_its_url() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    fs::write(&path, format!("{SECRET}\n{OLD_SECRET}\n")).unwrap();
    let pairs = [
        ("SINKS", "log,webhook"),
        ("WEBHOOKS__SHOP__URL", "https://hooks.example.com/canary"),
        ("WEBHOOKS__SHOP__SECRETS_FILE", path.to_str().unwrap()),
    ];
    let config = Config::for_serving(None, &variables(&pairs)).unwrap();
    assert_eq!(config.events.webhooks[0].secrets.len(), 2, "a line each");
    let (all, mistakes) = Config::settings_in_effect(None, &variables(&pairs));
    assert_eq!(mistakes, None);
    let shown = |name: &str| {
        let entry = all.iter().find(|it| it.setting == format!("events.{name}"));
        entry.unwrap().value.clone()
    };
    assert_eq!(shown("webhooks.shop.secrets"), "(secret)");
    assert_eq!(shown("webhooks.shop.url"), "(secret)");
    assert_eq!(shown("sinks"), "log,webhook");
}
