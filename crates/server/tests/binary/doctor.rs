//! `doctor` against everything that can be wrong.

mod messages;
mod redis;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Output,
};

use serde_json::Value;
use testkit::servers::{PgBouncer, PoolMode};

use crate::process::{complaint, result, run};

/// A data folder with what a start leaves in it.
struct Used(tempfile::TempDir);

impl Used {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let output = run(
            &["migrate", "up"],
            &[
                ("DATA_DIR", data.to_str().unwrap()),
                ("TELEMETRY__LOG", "off"),
            ],
        );
        assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
        Self(folder)
    }

    fn data(&self) -> String {
        self.0.path().join("data").to_str().unwrap().to_owned()
    }
}

fn examine(settings: &[(&str, &str)]) -> (Output, Vec<Value>) {
    let output = run(&["doctor", "--json"], settings);
    let findings = serde_json::from_str(&result(&output));
    let findings: Vec<Value> = findings.unwrap_or_else(|_| panic!("no JSON: {}", result(&output)));
    // Whatever is wrong: no secret in what is said of it.
    let said = format!("{}{}", result(&output), complaint(&output));
    assert!(!said.contains("canary"), "{said}");
    (output, findings)
}

#[track_caller]
fn assert_finding(settings: &[(&str, &str)], check: &str, health: &str, seen: &str, status: i32) {
    let (output, findings) = examine(settings);
    let finding = findings
        .iter()
        .find(|it| it["check"] == check && it["seen"].as_str().unwrap().contains(seen));
    let finding = finding.unwrap_or_else(|| panic!("{check}: {seen}: {findings:#?}"));
    assert_eq!(finding["health"], health, "{finding}");
    if health != "ok" {
        assert!(!finding["advice"].as_str().unwrap().is_empty(), "{finding}");
    }
    assert_eq!(output.status.code(), Some(status), "{findings:#?}");
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn key_ring(folder: &Path) -> String {
    let path = folder.join("keys.json");
    let output = run(&["keys", "generate"], &[]);
    fs::write(&path, result(&output)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_new_folder_is_well_and_stays_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = run(&["doctor"], &[("DATA_DIR", data.to_str().unwrap())]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let text = result(&output);
    let healths: Vec<&str> = text
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert!(
        healths.len() >= 6 && healths.iter().all(|it| *it == "ok"),
        "{text}"
    );
    assert!(!data.exists(), "doctor makes nothing");
}

#[test]
fn a_used_folder_is_well() {
    let used = Used::new();
    let settings = [("DATA_DIR", used.data())];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_finding(&settings, "database", "ok", "SQLite 3.", 0);
    assert_finding(&settings, "schema", "ok", "up to date", 0);
    assert_finding(&settings, "clock", "ok", "0.000 s", 0);
    assert_finding(&settings, "data folder", "ok", "MiB free", 0);
}

#[test]
fn mistakes_are_told_and_nothing_else_is_asked() {
    let settings = [
        ("HTTP__LISTEN", "nowhere"),
        ("REDIS__URL", "http://:canary-of-a-store@redis"),
        ("MODE", "production"),
    ];
    let (output, findings) = examine(&settings);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        findings.len() > 5
            && findings
                .iter()
                .all(|it| it["check"] == "configuration" && it["health"] == "fail")
    );
    assert!(
        findings[0]["seen"]
            .as_str()
            .unwrap()
            .starts_with("http.listen (variable "),
        "{findings:#?}"
    );
}

#[test]
fn what_is_wrong_with_the_data_folder_is_found() {
    let used = Used::new();
    let data = used.data();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    assert_finding(
        &[("DATA_DIR", &data)],
        "data folder",
        "warn",
        "is open to others (mode 755)",
        0,
    );
    let file = used.0.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let database = format!("sqlite://{data}/fashionistar-auth.sqlite");
    assert_finding(
        &[("DATA_DIR", file), ("DATABASE__URL", &database)],
        "data folder",
        "fail",
        "is no folder",
        1,
    );
}

#[test]
fn what_is_wrong_with_the_keys_is_found() {
    let used = Used::new();
    let data = used.data();
    let ring = key_ring(used.0.path());
    assert_finding(
        &[("DATA_DIR", &data), ("KEYS__FILE", &ring)],
        "keys",
        "ok",
        "an operator's own",
        0,
    );
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o644)).unwrap();
    assert_finding(
        &[("DATA_DIR", &data), ("KEYS__FILE", &ring)],
        "keys",
        "fail",
        "keys.file (variable",
        1,
    );
    assert_finding(
        &[("DATA_DIR", &data), ("KEYS__FILE", "/nowhere/keys.json")],
        "keys",
        "fail",
        "/nowhere",
        1,
    );
    assert_finding(
        &[("DATA_DIR", &data), ("KEYS__JSON", "{\"canary\": 1}")],
        "keys",
        "fail",
        "keys.json",
        1,
    );
}

#[test]
fn a_file_that_is_no_database_is_found() {
    let used = Used::new();
    let file = used.0.path().join("no.sqlite");
    fs::write(
        &file,
        "this is no database, however long one looks at it".repeat(100),
    )
    .unwrap();
    let url = format!("sqlite://{}", file.display());
    assert_finding(
        &[("DATA_DIR", &used.data()), ("DATABASE__URL", &url)],
        "database",
        "fail",
        "takes no connection",
        1,
    );
}

#[test]
fn servers_that_are_not_there_are_found() {
    let used = Used::new();
    let (data, port) = (used.data(), free_port());
    let seen = format!("nothing listens on 127.0.0.1:{port}");
    let url = |scheme: &str| format!("{scheme}://:canary-of-a-store@127.0.0.1:{port}/1");
    assert_finding(
        &[("DATA_DIR", &data), ("DATABASE__URL", &url("postgres"))],
        "database",
        "fail",
        &seen,
        1,
    );
    assert_finding(
        &[
            ("DATA_DIR", &data),
            ("DATABASE__REPLICA_URLS", &url("postgres")),
        ],
        "replicas",
        "fail",
        &seen,
        1,
    );
    assert_finding(
        &[("DATA_DIR", &data), ("REDIS__URL", &url("redis"))],
        "redis",
        "fail",
        &seen,
        1,
    );
    let endpoint = format!("http://127.0.0.1:{port}");
    assert_finding(
        &[("DATA_DIR", &data), ("TELEMETRY__OTLP_ENDPOINT", &endpoint)],
        "telemetry",
        "warn",
        &seen,
        0,
    );
    let dsn = format!("http://canary@127.0.0.1:{port}/1");
    assert_finding(
        &[("DATA_DIR", &data), ("TELEMETRY__SENTRY_DSN", &dsn)],
        "sentry",
        "warn",
        &seen,
        0,
    );
    let nowhere = "redis://:canary-of-a-store@no-such-host.invalid";
    assert_finding(
        &[("DATA_DIR", &data), ("REDIS__URL", nowhere)],
        "redis",
        "fail",
        "not known to the resolver",
        1,
    );
}

/// Takes connections and never says a word.
#[test]
fn a_server_that_hangs_delays_its_own_line_only() {
    let used = Used::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = format!("redis://:canary-of-a-store@127.0.0.1:{port}");
    let data = used.data();
    let settings = [("DATA_DIR", data.as_str()), ("REDIS__URL", &url)];
    assert_finding(
        &settings,
        "redis",
        "fail",
        "it cannot be used (timed out)",
        1,
    );
    assert_finding(&settings, "database", "ok", "SQLite", 1);
}

/// A PostgreSQL that is starting, or whose connections are all in use, says so to everybody.
fn refuse_everybody(server: &TcpListener) {
    const REFUSAL: &[u8] = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
    for connection in server.incoming() {
        let mut connection = connection.unwrap();
        let mut head = [0; 8];
        while connection.read_exact(&mut head).is_ok() {
            let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            // The question whether it speaks TLS is that long.
            if length == 8 {
                let _ = connection.write_all(b"N");
                continue;
            }
            let rest = &mut vec![0; length as usize - head.len()];
            let _ = connection.read_exact(rest);
            let length = u32::try_from(REFUSAL.len() + 4).unwrap();
            let answer = [&b"E"[..], &length.to_be_bytes(), REFUSAL].concat();
            let _ = connection.write_all(&answer);
            break;
        }
    }
}

#[test]
fn a_postgres_without_a_free_connection_is_found() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://auth:canary-of-a-store@{}/auth",
        server.local_addr().unwrap()
    );
    std::thread::spawn(move || refuse_everybody(&server));
    let used = Used::new();
    let data = used.data();
    let settings = [("DATA_DIR", data.as_str()), ("DATABASE__URL", &url)];
    assert_finding(
        &settings,
        "database",
        "fail",
        "takes no connection of ours",
        1,
    );
}

#[tokio::test]
async fn postgres_is_examined() {
    let database = testkit::TestDatabase::start(testkit::Engine::Production).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, ring) = (database.url().to_owned(), key_ring(folder.path()));
    let redis = testkit::redis_url();
    let settings = [
        ("MODE", "production"),
        ("DATABASE__URL", url.as_str()),
        ("DATABASE__REPLICA_URLS", url.as_str()),
        ("DATABASE__ALLOW_WEAK_CREDENTIALS", "true"),
        ("REDIS__URL", redis.as_str()),
        ("REDIS__ALLOW_WEAK_CREDENTIALS", "true"),
        ("HTTP__PUBLIC_URL", "https://auth.example.com"),
        ("KEYS__FILE", ring.as_str()),
        ("MESSAGES__SENDER", "none"),
        ("DATA_DIR", ring.as_str()),
    ];
    // It is no folder, and nobody minds.
    assert_finding(&settings, "data folder", "ok", "keeps nothing in", 0);
    assert_finding(&settings, "database", "ok", "PostgreSQL ", 0);
    assert_finding(&settings, "schema", "ok", "up to date", 0);
    assert_finding(
        &settings,
        "clock",
        "ok",
        "the database's clock, give or take",
        0,
    );
    assert_finding(&settings, "replicas", "warn", "not a replica at all", 0);
    assert_finding(&settings, "redis", "ok", "noeviction", 0);
    assert_finding(
        &settings,
        "configuration",
        "warn",
        "messages.sender is none",
        0,
    );
    let output = run(
        &["migrate", "down", "--yes"],
        &[("DATABASE__URL", &url), ("TELEMETRY__LOG", "off")],
    );
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    assert_finding(&settings, "schema", "fail", "migrations pending: m", 1);
    let (_, server) = url.split_once('@').expect("a user");
    let wrong = format!("postgres://canary:canary-of-a-store@{server}");
    let settings = [
        ("DATA_DIR", folder.path().to_str().unwrap()),
        ("DATABASE__URL", &wrong),
    ];
    assert_finding(
        &settings,
        "database",
        "fail",
        "the database refuses the user or the password",
        1,
    );
}

/// What is wrong is said as `serve` says it, with what helps against that.
#[tokio::test]
async fn why_postgres_lets_us_not_in_is_told() {
    let database = testkit::TestDatabase::empty(testkit::Engine::Production).await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap().to_owned();
    let told = |url: &str, seen: &str, advice: &str| {
        let settings = [("DATA_DIR", data.as_str()), ("DATABASE__URL", url)];
        let (_, findings) = examine(&settings);
        let finding = findings.iter().find(|it| it["check"] == "database");
        let finding = finding.unwrap_or_else(|| panic!("{findings:#?}"));
        assert_eq!(finding["health"], "fail", "{finding}");
        assert!(
            finding["seen"].as_str().unwrap().contains(seen),
            "{finding}"
        );
        assert!(
            finding["advice"].as_str().unwrap().contains(advice),
            "{finding}"
        );
    };
    let url = database.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    told(
        &format!("{server}/no_such_database"),
        "it takes no connection of ours (the database cannot be used: the store is not available: the server has \
         no such database)",
        "correct the name of the database in database.url",
    );
    told(
        &format!("{server}/postgres?sslmode=require"),
        "TLS with the database failed",
        "check sslmode",
    );
    let pooler = PgBouncer::start(url, PoolMode::Statement, 4, "").await;
    told(
        &pooler.url_of(url),
        "the service needs pool_mode = transaction or session",
        "the pooler before the database",
    );
}
