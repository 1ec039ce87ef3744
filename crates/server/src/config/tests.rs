use std::{fs, path::PathBuf};

use secrecy::ExposeSecret as _;

use super::*;

/// With these variables, the prefix left out.
fn variables(pairs: &[(&str, &str)]) -> Variables {
    let named: Vec<(String, &str)> = pairs
        .iter()
        .map(|(name, value)| (format!("FASHIONISTAR_AUTH__{name}"), *value))
        .collect();
    Variables::from_pairs(named.iter().map(|(name, value)| (name.as_str(), *value)))
}

fn settings(pairs: &[(&str, &str)]) -> Config {
    Config::for_serving(None, &variables(pairs)).unwrap()
}

fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
    let mistakes = Config::for_serving(None, &variables(pairs)).unwrap_err();
    mistakes.iter().map(ToString::to_string).collect()
}

fn from_file(text: &str, pairs: &[(&str, &str)]) -> (PathBuf, Result<Config, Mistakes>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.toml");
    fs::write(&path, text).unwrap();
    let settings = Config::for_serving(Some(&path), &variables(pairs));
    (path, settings)
}

/// What production mode starts on.
const PRODUCTION: [(&str, &str); 6] = [
    ("MODE", "production"),
    ("DATABASE__URL", "postgres://auth:canary@db.example/auth"),
    ("REDIS__URL", "rediss://:canary@redis.example"),
    ("HTTP__PUBLIC_URL", "https://auth.example.com"),
    ("KEYS__FILE", "/run/secrets/keys.json"),
    ("MESSAGES__SENDER", "none"),
];

fn production_but(name: &str, value: &str) -> Vec<(String, String)> {
    let kept = PRODUCTION.iter().filter(|(other, _)| *other != name);
    let changed = std::iter::once((name, value));
    kept.copied()
        .chain(changed)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn nothing_set_is_the_embedded_service_on_loopback() {
    let settings = Config::default();
    assert_eq!(settings.mode, Mode::Development);
    assert_eq!(settings.data_dir, PathBuf::from("./data"));
    assert_eq!(settings.http.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(
        settings.management.listen,
        "127.0.0.1:9090".parse().unwrap()
    );
    assert!(settings.database.url.is_none() && settings.redis.url.is_none());
    assert_eq!(settings.tokens.access_ttl_seconds, 600);
    assert_eq!(settings.tokens.refresh_grace_seconds, 10);
    let passwords = &settings.passwords;
    let recipe = (
        passwords.memory_kib,
        passwords.iterations,
        passwords.parallelism,
    );
    assert_eq!(recipe, (19_456, 2, 1));
    assert_eq!((passwords.queue, passwords.minimum_length), (64, 8));
    assert_eq!(settings.messages.sender, Some(SenderChoice::Mailbox));
    assert_eq!(settings.telemetry.log_format, LogFormat::Text);
    assert!(settings.telemetry.otlp_endpoint.is_none());
}

#[test]
fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
    let file = "data_dir = '/srv/a'\n[http]\nlisten = '0.0.0.0:80'\nworkers = 3\n[tokens]\naudience = 'a'\n";
    let (_, settings) = from_file(
        file,
        &[("HTTP__LISTEN", "[::1]:81"), ("TOKENS__AUDIENCE", "007")],
    );
    let settings = settings.unwrap();
    assert_eq!(settings.http.listen, "[::1]:81".parse().unwrap());
    assert_eq!(settings.http.workers, 3);
    assert_eq!(settings.data_dir, PathBuf::from("/srv/a"));
    assert_eq!(settings.tokens.audience, "007", "a text stays what it is");
}

#[test]
fn the_file_can_be_named_by_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.toml");
    fs::write(&path, "[http]\nworkers = 7\n").unwrap();
    let variables = variables(&[("CONFIG", path.to_str().unwrap())]);
    let settings = Config::for_serving(None, &variables).unwrap();
    assert_eq!(settings.http.workers, 7);
}

#[test]
fn lists_in_variables_have_commas_and_one_item_is_a_list() {
    let exempt = |text: &str| {
        let networks = settings(&[("PROTECTION__EXEMPT_NETWORKS", text)]);
        let networks = networks.protection.exempt_networks;
        networks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(exempt("127.0.0.0/8"), ["127.0.0.0/8"]);
    assert_eq!(
        exempt("10.1.2.3/8, ::1 ,192.0.2.7,"),
        ["10.0.0.0/8", "::1/128", "192.0.2.7/32"]
    );
    let settings = settings(&[
        ("HTTP__TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8"),
        (
            "HTTP__CORS_ORIGINS",
            "https://shop.example,http://localhost:3000",
        ),
        ("DATABASE__REPLICA_URLS", "postgres://a/x,postgres://b/x"),
    ]);
    assert_eq!(settings.http.trusted_proxies.len(), 2);
    assert_eq!(
        settings.http.cors_origins,
        ["https://shop.example", "http://localhost:3000"]
    );
    let replicas = &settings.database.replica_urls;
    assert_eq!(replicas.last().unwrap().expose_secret(), "postgres://b/x");
    let (_, settings) = from_file("[http]\ntrusted_proxies = ['10.0.0.0/8', '::1']\n", &[]);
    assert_eq!(settings.unwrap().http.trusted_proxies.len(), 2);
}

#[test]
fn an_empty_variable_is_as_if_it_were_not_there() {
    let settings = settings(&[("REDIS__URL", ""), ("CONFIG", ""), ("HTTP__WORKERS", "")]);
    assert!(settings.redis.url.is_none());
}

/// Each is refused alone, under its name, with its place and with what would be right.
#[test]
fn a_value_that_cannot_be_meant_stops_the_start() {
    let table = [
        ("mode", "prod", "must be development or production"),
        ("data_dir", "  ", "must not be empty"),
        ("http.listen", "8080", "must be an IP address with a port"),
        (
            "http.listen",
            "localhost:8080",
            "must be an IP address with a port",
        ),
        (
            "http.listen",
            "127.0.0.1:65536",
            "must be an IP address with a port",
        ),
        (
            "http.public_url",
            "auth.example.com",
            "must be an absolute URL",
        ),
        (
            "http.public_url",
            "ftp://auth.example.com",
            "must be an absolute URL",
        ),
        (
            "http.public_url",
            "https://u:canary@auth.example.com",
            "must be an absolute URL",
        ),
        (
            "http.public_url",
            "https://auth.example.com/?q=1",
            "must be an absolute URL",
        ),
        ("http.trusted_proxies", "10.0.0.0/33", "must be networks"),
        (
            "http.trusted_proxies",
            "10.0.0.0/8;10.1.0.0/16",
            "must be networks",
        ),
        (
            "http.trusted_proxies",
            "proxy.example.com",
            "must be networks",
        ),
        ("http.cors_origins", "*", "must be origins"),
        ("http.cors_origins", "null", "must be origins"),
        (
            "http.cors_origins",
            "https://shop.example/",
            "must be origins",
        ),
        (
            "http.cors_origins",
            "https://shop.example,shop.example",
            "must be origins",
        ),
        (
            "http.cors_origins",
            "HTTPS://Shop.example",
            "must be origins",
        ),
        (
            "http.max_body_bytes",
            "64k",
            "must be a whole number from 1024 to 10485760",
        ),
        (
            "http.max_body_bytes",
            "100",
            "must be a whole number from 1024 to 10485760",
        ),
        (
            "http.request_deadline_seconds",
            "0",
            "must be a whole number from 1 to 120",
        ),
        ("http.workers", "0", "must be a whole number from 1 to 512"),
        ("http.workers", "-1", "must be a whole number from 1 to 512"),
        (
            "http.workers",
            "2.5",
            "must be a whole number from 1 to 512",
        ),
        (
            "management.listen",
            "everywhere",
            "must be an IP address with a port",
        ),
        (
            "database.url",
            "mysql://db/auth",
            "postgres://, postgresql:// or sqlite://",
        ),
        (
            "database.url",
            "auth.db",
            "postgres://, postgresql:// or sqlite://",
        ),
        (
            "database.url",
            "postgres://",
            "postgres://, postgresql:// or sqlite://",
        ),
        (
            "database.replica_urls",
            "postgres://a/x,b",
            "postgres://, postgresql:// or sqlite://",
        ),
        (
            "database.max_connections",
            "1",
            "must be a whole number from 2 to 1000",
        ),
        (
            "database.acquire_timeout_seconds",
            "1h",
            "must be a whole number from 1 to 60",
        ),
        (
            "database.statement_timeout_seconds",
            "0",
            "must be a whole number from 1 to 300",
        ),
        (
            "redis.url",
            "http://redis",
            "must be a URL that begins with redis:// or rediss://",
        ),
        (
            "redis.url",
            "redis:6379",
            "must be a URL that begins with redis:// or rediss://",
        ),
        (
            "redis.key_prefix",
            "a\nb",
            "must not hold control characters",
        ),
        ("protection.exempt_networks", "all", "must be networks"),
        (
            "tokens.access_ttl_seconds",
            "10",
            "must be a whole number from 30 to 3600",
        ),
        (
            "tokens.access_ttl_seconds",
            "ten minutes",
            "must be a whole number from 30 to 3600",
        ),
        (
            "tokens.refresh_grace_seconds",
            "11",
            "must be a whole number from 0 to 10",
        ),
        ("tokens.issuer", " ", "must not be empty"),
        (
            "passwords.memory_kib",
            "1024",
            "must be a whole number from 7168 to 1048576",
        ),
        (
            "passwords.iterations",
            "0",
            "must be a whole number from 1 to 32",
        ),
        (
            "passwords.parallelism",
            "17",
            "must be a whole number from 1 to 16",
        ),
        (
            "passwords.threads",
            "0",
            "must be a whole number from 1 to 256",
        ),
        (
            "passwords.queue",
            "0",
            "must be a whole number from 1 to 10000",
        ),
        (
            "passwords.minimum_length",
            "7",
            "must be a whole number from 8 to 64",
        ),
        (
            "passwords.refusal_floor_ms",
            "5001",
            "must be a whole number from 0 to 5000",
        ),
        ("keys.file", " ", "must not be empty"),
        (
            "messages.sender",
            "smtp",
            "must be providers, mailbox or none",
        ),
        (
            "messages.reset_page_url",
            "/reset",
            "must be an absolute URL",
        ),
        (
            "messages.reset_page_url",
            "https://shop.example/reset#here",
            "must be an absolute URL",
        ),
        (
            "telemetry.otlp_endpoint",
            "collector:4318",
            "must be an absolute URL",
        ),
        ("telemetry.log", "loud", "must be a filter"),
        ("telemetry.log", "info,=x", "must be a filter"),
        ("telemetry.log_format", "xml", "must be text or json"),
        (
            "google.issuer",
            "https://accounts.google.com",
            "there is no such setting",
        ),
        ("webauthn.rp_id", "localhost", "there is no such setting"),
        ("http.port", "80", "there is no such setting"),
        ("http.listen.port", "80", "there is no such setting"),
        (
            "databse.url",
            "postgres://db/auth",
            "there is no such setting",
        ),
        ("verbose", "1", "there is no such setting"),
        ("http", "x", "is a section, not a setting"),
    ];
    for (setting, value, reason) in table {
        let variable = setting.replace('.', "__").to_uppercase();
        let found = mistakes(&[(&variable, value)]);
        let [mistake] = found.as_slice() else {
            panic!("{setting}={value}: {found:?}");
        };
        let place = format!("{setting} (variable FASHIONISTAR_AUTH__{variable}): ");
        assert!(mistake.starts_with(&place), "{mistake}");
        assert!(mistake.contains(reason), "{mistake}");
        assert!(!mistake.contains("canary"), "{mistake}");
    }
}

#[test]
fn a_mistake_in_the_file_names_the_file() {
    let table = [
        ("mode = 1", "mode", "must be development or production"),
        (
            "[http]\nlisten = 8080",
            "http.listen",
            "must be an IP address",
        ),
        (
            "[http]\nworkers = true",
            "http.workers",
            "must be a whole number",
        ),
        (
            "[http]\nworkers = -2",
            "http.workers",
            "must be a whole number",
        ),
        (
            "[http]\ntrusted_proxies = 7",
            "http.trusted_proxies",
            "must be a list",
        ),
        (
            "[http]\ntrusted_proxies = [7]",
            "http.trusted_proxies",
            "must be networks",
        ),
        (
            "[database]\nurl = ['postgres://a']",
            "database.url",
            "must be a text",
        ),
        (
            "[tokens]\naudience = 7",
            "tokens.audience",
            "must be a text (in quotes)",
        ),
        (
            "[http]\nlistn = '127.0.0.1:1'",
            "http.listn",
            "there is no such setting",
        ),
        (
            "[smtp]\nhost = 'x'\nport = 25",
            "smtp.host",
            "there is no such setting",
        ),
        ("http = 3", "http", "is a section, not a setting"),
    ];
    for (text, setting, reason) in table {
        let (path, settings) = from_file(text, &[]);
        let text = settings.unwrap_err().to_string();
        let place = format!("{setting} (file {}): ", path.display());
        assert!(text.contains(&place) && text.contains(reason), "{text}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_refused_without_showing_what_is_in_it() {
    let (path, settings) = from_file("[database]\nurl = postgres://auth:canary@db\n", &[]);
    let text = settings.unwrap_err().to_string();
    assert!(
        text.contains(path.to_str().unwrap()) && text.contains("line 2"),
        "{text}"
    );
    assert!(!text.contains("canary"), "{text}");
    let missing = PathBuf::from("/nowhere/auth.toml");
    let text = Config::for_serving(Some(&missing), &Variables::default()).unwrap_err();
    let text = text.to_string();
    assert!(
        text.contains("/nowhere/auth.toml") && text.contains("cannot be read"),
        "{text}"
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    let file = "mode = 'production'\n[tokens]\nrefresh_grace_seconds = 60\n[extra]\nkey = 1\n";
    let pairs = [
        ("HTTP__LISTEN", "x"),
        ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8"),
    ];
    let (_, settings) = from_file(file, &pairs);
    let mistakes = settings.unwrap_err();
    let named: Vec<&str> = mistakes.iter().map(|it| it.setting.as_str()).collect();
    assert_eq!(
        named,
        [
            "http.listen",
            "tokens.refresh_grace_seconds",
            "extra.key",
            "http.public_url",
            "database.url",
            "protection.exempt_networks",
            "keys.file",
            "messages.sender",
            "messages.reset_page_url",
        ]
    );
    let text = mistakes.to_string();
    assert!(
        text.starts_with("the configuration has 9 mistakes:\n  http.listen (variable "),
        "{text}"
    );
    assert!(
        text.contains("\n  http.public_url (not set): must be set in production mode"),
        "{text}"
    );
}

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
fn a_command_that_serves_nobody_asks_for_less() {
    let pairs = [
        ("MODE", "production"),
        ("DATABASE__URL", "postgres://db/auth"),
    ];
    assert!(Config::for_commands(None, &variables(&pairs)).is_ok());
    assert!(Config::for_commands(None, &variables(&[("HTTP__PORT", "80")])).is_err());
}

#[test]
fn debug_shows_no_secret() {
    let mut pairs = PRODUCTION.to_vec();
    pairs.push((
        "DATABASE__REPLICA_URLS",
        "postgres://auth:canary@replica/auth",
    ));
    assert!(!format!("{:?}", settings(&pairs)).contains("canary"));
    let keys = settings(&[("KEYS__JSON", "{\"canary\": 1}")]);
    assert!(!format!("{keys:?}").contains("canary"));
}
