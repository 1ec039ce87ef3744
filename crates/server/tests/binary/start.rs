//! What the service does on its start, and on what it refuses to.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Stdio,
};

use rustix::process::Signal;
use testkit::{Engine, TestDatabase};

use crate::process::{Service, command, complaint, result, run};

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_first_start_makes_what_it_needs_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("some/data");
    let service = Service::start(&data_dir, &[]);
    assert_eq!(mode_of(&data_dir), 0o700);
    let names: Vec<String> = fs::read_dir(&data_dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(
        names.contains(&"keys.json".to_owned())
            && names.contains(&"fashionistar-auth.sqlite".to_owned())
    );
    for name in &names {
        assert_eq!(mode_of(&data_dir.join(name)), 0o600, "{name}");
    }
    service.signal(Signal::TERM);
    let (status, _, stdout) = service.ended();
    assert_eq!((status.code(), stdout.as_str()), (Some(0), ""));
    // The second start finds everything.
    let service = Service::start(&data_dir, &[]);
    service.signal(Signal::INT);
    assert_eq!(service.ended().0.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_status_1_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let settings = [
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("HTTP__LISTEN", address.as_str()),
        ("MANAGEMENT__LISTEN", "127.0.0.1:0"),
    ];
    let output = run(&[], &settings);
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("cannot listen on {address} (http.listen)");
    assert!(
        complaint(&output).contains(&expected),
        "{}",
        complaint(&output)
    );
}

#[test]
fn too_few_files_are_status_1_with_the_number_that_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            r#"ulimit -n 100 && exec "$0""#,
            env!("CARGO_BIN_EXE_fashionistar-auth"),
        ])
        .env_clear()
        .env("FASHIONISTAR_AUTH__DATA_DIR", folder.path())
        .env("FASHIONISTAR_AUTH__HTTP__LISTEN", "127.0.0.1:0")
        .env("FASHIONISTAR_AUTH__MANAGEMENT__LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output);
    for part in ["the limit of open files is 100", "needs 288", "LimitNOFILE"] {
        assert!(complaint.contains(part), "{complaint}");
    }
}

#[test]
fn a_redis_that_is_away_is_no_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[("REDIS__URL", "redis://127.0.0.1:9")]);
    service.signal(Signal::TERM);
    assert_eq!(service.ended().0.code(), Some(0));
}

#[test]
fn somebody_at_a_terminal_is_told_where_everything_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("MANAGEMENT__LISTEN", "127.0.0.1:0"),
    ];
    let mut child = command(&settings)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut text = String::new();
    for line in lines.map_while(Result::ok) {
        text.push_str(&line);
        text.push('\n');
        if line.contains("Health") {
            break;
        }
    }
    child.kill().unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"");
    for (what, path) in [
        ("API", "/api/v1"),
        ("Docs", "/docs"),
        ("Mailbox", "/dev/mailbox"),
    ] {
        let is_told = |line: &str| line.trim_start().starts_with(what) && line.ends_with(path);
        assert!(text.lines().any(is_told), "{what}: {text}");
    }
    assert!(text.contains("development mode"), "{text}");
    // What a newcomer needs fits on a screen: not a line for each migration.
    assert!(text.lines().count() <= 15, "{text}");
}

/// Settings that production mode starts on, for a database.
fn production<'a>(database: &'a str, keys: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("MODE", "production"),
        ("DATABASE__URL", database),
        ("DATABASE__ALLOW_WEAK_CREDENTIALS", "true"),
        ("HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("KEYS__JSON", keys),
        ("MESSAGES__SENDER", "none"),
        ("HTTP__DRAIN_DELAY_SECONDS", "0"),
    ]
}

#[test]
fn production_mode_refuses_a_database_with_pending_migrations_and_serves_a_migrated_one() {
    testkit::runtime::run(async {
        let database = TestDatabase::empty(Engine::Production).await;
        let folder = tempfile::tempdir().unwrap();
        let keys = result(&run(&["keys", "generate"], &[]));
        let settings = production(database.url(), &keys);
        let listeners = [
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("MANAGEMENT__LISTEN", "127.0.0.1:0"),
        ];
        let refused = run(&[], &[&settings[..], &listeners].concat());
        assert_eq!(refused.status.code(), Some(1));
        let text = complaint(&refused);
        assert!(
            text.contains("accounts") && text.contains("fashionistar-auth migrate up"),
            "{text}"
        );
        assert!(
            text.lines().all(|line| line.starts_with('{')),
            "JSON lines: {text}"
        );

        assert_eq!(run(&["migrate", "up"], &settings).status.code(), Some(0));
        let service = Service::start(folder.path(), &settings);
        service.signal(Signal::TERM);
        let (status, lines, _) = service.ended();
        assert_eq!(status.code(), Some(0));
        let warned = |text: &str| {
            lines.iter().any(|line| {
                line["level"] == "WARN" && line["message"].as_str().unwrap().contains(text)
            })
        };
        assert!(
            warned("redis.url is not set") && warned("messages.sender is none"),
            "{lines:#?}"
        );
        let names = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 0, "nothing is made in the data folder");
    });
}

#[test]
fn production_mode_refuses_keys_that_the_service_made() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), &[]);
    service.signal(Signal::TERM);
    service.ended();
    let keys = folder.path().join("keys.json");
    let mut settings = production("postgres://127.0.0.1:9/auth", "");
    settings.push(("KEYS__FILE", keys.to_str().unwrap()));
    settings.push(("HTTP__LISTEN", "127.0.0.1:0"));
    settings.push(("MANAGEMENT__LISTEN", "127.0.0.1:0"));
    let output = run(&[], &settings);
    assert_eq!(output.status.code(), Some(2));
    let text = complaint(&output);
    assert!(
        text.contains("keys.file (variable FASHIONISTAR_AUTH__KEYS__FILE): holds keys"),
        "{text}"
    );
}

#[test]
fn parameters_too_weak_for_passwords_are_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("MANAGEMENT__LISTEN", "127.0.0.1:0"),
        ("PASSWORDS__MEMORY_KIB", "8192"),
    ];
    let output = run(&[], &settings);
    assert_eq!(output.status.code(), Some(2));
    let text = complaint(&output);
    assert!(
        text.contains("passwords.memory_kib (variable") && text.contains("too weak"),
        "{text}"
    );
}
