//! `config print` and `healthcheck`.

use std::fs;

use serde_json::Value;

use crate::process::{Service, complaint, result, run};

#[test]
fn every_setting_is_printed_with_its_source_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("auth.toml");
    fs::write(
        &file,
        "[http]\nworkers = 3\n[redis]\nurl = 'redis://:canary-of-a-store@redis'\n",
    )
    .unwrap();
    let secret = folder.path().join("database-url");
    fs::write(&secret, "postgres://auth:canary-of-a-store@db/auth\n").unwrap();
    let (file, secret) = (file.to_str().unwrap(), secret.to_str().unwrap());
    let settings = [
        ("HTTP__LISTEN", "127.0.0.1:81"),
        ("DATABASE__URL_FILE", secret),
        ("CONFIG", file),
    ];

    let output = run(&["config", "print"], &settings);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let text = result(&output);
    let line = |setting: &str| {
        let of_setting = |line: &&str| line.split_whitespace().next() == Some(setting);
        text.lines()
            .find(of_setting)
            .unwrap_or_else(|| panic!("{setting}: {text}"))
            .to_owned()
    };
    assert!(
        line("http.listen").ends_with("variable FASHIONISTAR_AUTH__HTTP__LISTEN"),
        "{text}"
    );
    assert!(
        line("http.workers").ends_with(&format!("file {file}, line 2")),
        "{text}"
    );
    assert!(line("management.listen").ends_with("default"), "{text}");
    assert!(
        line("redis.url").contains("(secret)")
            && line("redis.url").ends_with(&format!("file {file}, line 4"))
    );
    assert!(line("database.url").contains("(secret)") && line("database.url").contains(secret));
    assert!(!text.contains("canary"), "{text}");

    let json = run(&["config", "print", "--json"], &settings);
    let all: Vec<Value> = serde_json::from_str(&result(&json)).unwrap();
    assert_eq!(all.len(), text.lines().count());
    let of = |setting: &str| all.iter().find(|it| it["setting"] == setting).unwrap();
    assert_eq!(of("http.listen")["value"], "127.0.0.1:81");
    assert_eq!(of("redis.url")["value"], "(secret)");
    assert!(!result(&json).contains("canary"));
}

#[test]
fn a_wrong_configuration_is_printed_and_its_mistakes_are_told() {
    let output = run(
        &["config", "print"],
        &[("HTTP__LISTEN", "no\u{1b}[31mwhere")],
    );
    assert_eq!(output.status.code(), Some(2));
    assert!(result(&output).contains("management.listen"));
    assert!(
        complaint(&output).contains("http.listen (variable"),
        "{}",
        complaint(&output)
    );
    assert!(
        !result(&output).contains('\u{1b}'),
        "nothing that was typed moves the cursor"
    );
}

#[test]
fn a_container_engine_can_ask_whether_the_service_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    let management = service.management.to_string();
    let settings = [("MANAGEMENT__LISTEN", management.as_str())];
    let healthy = run(&["healthcheck"], &settings);
    assert_eq!(healthy.status.code(), Some(0), "{}", complaint(&healthy));
    drop(service);
    let gone = run(&["healthcheck"], &settings);
    assert_eq!(gone.status.code(), Some(1), "{}", complaint(&gone));
    let told = format!("nothing answers at {management} (management.listen)");
    assert!(complaint(&gone).contains(&told), "{}", complaint(&gone));
}
