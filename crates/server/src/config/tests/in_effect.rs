//! The output of `config print`, compared with `docs/configuration.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::{super::documented, *};

fn printed(file: Option<&Path>, pairs: &[(&str, &str)]) -> BTreeMap<String, (String, String)> {
    let (all, mistakes) = Config::settings_in_effect(file, &variables(pairs));
    assert_eq!(mistakes, None);
    all.into_iter()
        .map(|it| (it.setting, (it.value, it.source)))
        .collect()
}

#[test]
fn every_documented_setting_is_printed_and_every_printed_one_is_documented() {
    let documented: BTreeSet<String> = documented::settings()
        .map(|(name, _)| name.to_owned())
        .collect();
    let printed: BTreeSet<String> = printed(None, &[]).into_keys().collect();
    assert_eq!(printed, documented);
}

/// A documented default that is a plain value equals the default of the code: setting it changes nothing.
#[test]
fn documented_defaults_are_what_holds() {
    let bare = |config: &Config| {
        let config = Config {
            places: Places::default(),
            in_effect: Vec::new(),
            ..config.clone()
        };
        format!("{config:?}")
    };
    let mut checked = 0;
    for (name, default) in documented::settings() {
        let text = default.replace('`', "");
        let is_value =
            default.starts_with('`') && default.matches('`').count() == 2 && default.ends_with('`')
                || text.parse::<f64>().is_ok();
        if !is_value {
            continue;
        }
        let variable = name.replace('.', "__").to_uppercase();
        assert_eq!(
            bare(&settings(&[(&variable, &text)])),
            bare(&Config::default()),
            "{name}"
        );
        checked += 1;
    }
    assert!(checked > 15, "{checked}");
}

#[test]
fn a_value_is_printed_with_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auth.toml");
    fs::write(
        &path,
        "[http]\nworkers = 3\ntrusted_proxies = ['10.0.0.0/8', '::1']\n",
    )
    .unwrap();
    let printed = printed(
        Some(&path),
        &[
            ("HTTP__LISTEN", "[::1]:81"),
            ("HTTP__MAX_BODY_BYTES", "2048"),
            ("TELEMETRY__SENTRY_SAMPLE_RATE", "0.25"),
        ],
    );
    let of = |name: &str| {
        let (value, source) = &printed[name];
        (value.as_str(), source.as_str())
    };
    let in_file = |line: usize| format!("file {}, line {line}", path.display());
    assert_eq!(of("http.workers"), ("3", in_file(2).as_str()));
    assert_eq!(
        of("http.trusted_proxies"),
        ("10.0.0.0/8,::1", in_file(3).as_str())
    );
    assert_eq!(
        of("http.listen"),
        ("[::1]:81", "variable FASHIONISTAR_AUTH__HTTP__LISTEN")
    );
    assert_eq!(of("telemetry.sentry_sample_rate").0, "0.25");
    assert_eq!(of("management.listen"), ("127.0.0.1:9090", "default"));
    let cores = std::thread::available_parallelism().unwrap().to_string();
    assert_eq!(of("passwords.threads"), (cores.as_str(), "default"));
    assert_eq!(of("telemetry.log_format"), ("text", "default"));
    assert_eq!(of("redis.url"), ("none", "default"));
}

/// The complete list of masked settings. A new secret that is missing here would be shown: check it carefully.
#[test]
fn secrets_are_masked_whatever_they_are() {
    let (mut masked, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for (name, _) in documented::settings() {
        let variable = name.replace('.', "__").to_uppercase();
        let (all, _) = Config::settings_in_effect(
            None,
            &variables(&[(&variable, "Canary://canary@canary/1")]),
        );
        let entry = all.into_iter().find(|it| it.setting == name).unwrap();
        if entry.value == "(secret)" {
            masked.insert(name);
        } else {
            assert_eq!(entry.value, "Canary://canary@canary/1", "{name}");
            shown.insert(name);
        }
    }
    let secrets = [
        "database.replica_urls",
        "database.url",
        "google.client_secret",
        "keys.json",
        "messages.sms.auth_token",
        "messages.sms.body",
        "messages.sms.token",
        "messages.sms.url",
        "messages.smtp.password",
        "redis.sentinel.urls",
        "redis.url",
        "telemetry.sentry_dsn",
    ];
    // Settings with keyword values, which are shown, are given a value that is no keyword.
    let words = [
        "messages.email.provider",
        "messages.sender",
        "messages.sms.provider",
        "messages.smtp.security",
        "mfa.required_of",
        "mode",
        "redis.mode",
        "telemetry.log_format",
    ];
    let expected: BTreeSet<&str> = secrets.into_iter().chain(words).collect();
    assert_eq!(masked, expected);
    for name in &shown {
        let sounds_secret = ["password", "secret", "token", "dsn", "auth_"]
            .iter()
            .any(|word| name.rsplit('.').next().unwrap().contains(word));
        assert!(!sounds_secret, "{name} is shown");
    }
}

#[test]
fn a_secret_from_a_file_is_masked_too_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "redis://:canary-of-a-store@redis.example/0").unwrap();
    let printed = printed(None, &[("REDIS__URL_FILE", path.to_str().unwrap())]);
    let (value, source) = &printed["redis.url"];
    assert_eq!(value, "(secret)");
    let expected = format!(
        "file {}, variable FASHIONISTAR_AUTH__REDIS__URL_FILE",
        path.display()
    );
    assert_eq!(*source, expected);
}
