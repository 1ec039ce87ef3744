//! Valid settings and their values.

use super::*;

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
fn words_that_no_password_is_made_of_can_be_set() {
    let words = |pairs: &[(&str, &str)]| settings(pairs).passwords.context_words;
    assert_eq!(words(&[]), None);
    let set = words(&[("PASSWORDS__CONTEXT_WORDS", "Moda, moda italiana ,vendita")]);
    let expected = ["Moda", "moda italiana", "vendita"].map(str::to_owned);
    assert_eq!(set, Some(expected.to_vec()));
    let many = vec!["word"; 65].join(",");
    let refused = mistakes(&[("PASSWORDS__CONTEXT_WORDS", &many)]);
    assert!(
        refused[0].contains("must be 64 words at the most"),
        "{refused:?}"
    );
}
