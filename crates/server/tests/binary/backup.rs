//! `backup`, as operators use it: made while the service runs, looked into, and put back on both engines.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use testkit::{
    TestDatabase,
    servers::{PgBouncer, PoolMode},
};
use url::Url;

use crate::{
    process::{command, complaint, post, run},
    users_import::place::{PASSWORD, Place},
};

/// The tokens of a session, as its client holds them.
pub(crate) struct Client {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

fn body_of(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or(Value::Null)
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

fn tokens_in(answer: &str) -> Client {
    let body = body_of(answer);
    let tokens = &body["data"]["tokens"];
    let tokens = if tokens.is_null() {
        &body["data"]
    } else {
        tokens
    };
    let text = |name: &str| {
        tokens[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name} in {body}"))
            .to_owned()
    };
    Client {
        access: text("access_token"),
        refresh: text("refresh_token"),
    }
}

pub(crate) fn sign_in(service: SocketAddr) -> Client {
    let body = format!(r#"{{"identifier":"person-1@example.com","password":"{PASSWORD}"}}"#);
    let answer = post(service, "/api/v1/auth/login", &body);
    assert_eq!(status_of(&answer), 200, "{answer}");
    tokens_in(&answer)
}

/// The answer's status, and the code of its problem.
fn refresh(service: SocketAddr, client: &mut Client) -> (u16, String) {
    let body = format!(r#"{{"refresh_token":"{}"}}"#, client.refresh);
    let answer = post(service, "/api/v1/auth/token/refresh", &body);
    let status = status_of(&answer);
    if status == 200 {
        *client = tokens_in(&answer);
    }
    let code = body_of(&answer)["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (status, code)
}

fn refreshed(service: SocketAddr, client: &mut Client, times: u32) {
    for _ in 0..times {
        assert_eq!(refresh(service, client).0, 200);
    }
}

fn quietly_over() -> (u16, String) {
    (401, "invalid_refresh_token".to_owned())
}

impl Place {
    fn backup(&self) -> PathBuf {
        self.path("backup")
    }

    fn make_backup(&self) -> PathBuf {
        let file = self.backup();
        let (status, said, why) = self.operate(&["backup", "create", file.to_str().unwrap()]);
        assert_eq!(status, Some(0), "{said}{why}");
        file
    }

    fn put_back(&self, options: &[&str]) -> String {
        let file = self.backup();
        let arguments = [&["backup", "restore", file.to_str().unwrap()], options].concat();
        let (status, said, why) = self.operate(&arguments);
        assert_eq!(status, Some(0), "{said}{why}");
        said
    }

    /// Notices of theft that wait or went out, and thefts on record.
    async fn thefts(&self) -> usize {
        let thefts = "SELECT 1 AS n FROM audit_entries WHERE action = 'session.refresh_reuse'";
        let notices = "SELECT 1 AS n FROM outbox_messages WHERE kind = 'session_stolen'";
        self.database.rows(thefts).await.len() + self.database.rows(notices).await.len()
    }

    async fn recorded(&self, action: &str) -> usize {
        let entries = format!("SELECT 1 AS n FROM audit_entries WHERE action = '{action}'");
        self.database.rows(&entries).await.len()
    }

    fn database_file(&self) -> Option<PathBuf> {
        let file = self.database.url().strip_prefix("sqlite://")?;
        Some(PathBuf::from(file.strip_suffix("?mode=rwc").unwrap()))
    }
}

fn mode_of(file: &Path) -> u32 {
    fs::metadata(file).unwrap().permissions().mode() & 0o777
}

testkit::on_every_engine! {
    async fn after_a_restore_nobody_is_told_of_theft_and_nothing_ended_lives(engine: Engine) {
        let place = Place::new(engine).await;
        place.import_one();
        let service = place.serve();
        let at = service.public;
        let [mut busy, mut left] = [sign_in(at), sign_in(at)];
        refreshed(at, &mut busy, 1);
        let file = place.make_backup();
        assert_eq!(mode_of(&file), 0o600);
        refreshed(at, &mut busy, 3);
        let logout = command_of_logout(at, &left);
        assert_eq!(logout, 200, "signed out after the backup");
        let mut late = sign_in(at);

        // Nothing is replaced under a running service, or unasked.
        let arguments = ["backup", "restore", file.to_str().unwrap(), "--replace"];
        let (status, _, why) = place.operate(&arguments);
        assert_eq!(status, Some(1));
        assert!(why.contains("stop every node"), "{why}");
        refreshed(at, &mut busy, 1);
        // Killed, so that a write-ahead log is left.
        drop(service);
        let (status, _, why) = place.operate(&arguments[..3]);
        assert_eq!(status, Some(1));
        assert!(why.contains("say --replace"), "{why}");

        let said = place.put_back(&["--replace"]);
        assert!(said.contains("2 sessions of 1 accounts ended"), "{said}");
        if let Some(file) = place.database_file() {
            assert_eq!(mode_of(&file), 0o600);
        }
        let service = place.serve();
        for client in [&mut busy, &mut left, &mut late] {
            assert_eq!(refresh(service.public, client), quietly_over());
        }
        let mut back = sign_in(service.public);
        refreshed(service.public, &mut back, 2);
        assert_eq!(place.thefts().await, 0);
        assert_eq!(place.recorded("session.ended").await, 2);
        assert_eq!(place.recorded("service.database_restored").await, 1);
        drop(service);

        // Who takes the risk is told how great it is, and whoever refreshed in between goes on.
        let said = place.put_back(&["--replace", "--keep-sessions"]);
        assert!(said.contains("2 sessions go on"), "{said}");
        let service = place.serve();
        let at = service.public;
        let mut copy = Client { refresh: busy.refresh.clone(), access: String::new() };
        refreshed(at, &mut busy, 1);
        assert_eq!(refresh(at, &mut copy).0, 200, "a second tab, within the grace time");
        assert_eq!(copy.refresh, busy.refresh);
        refreshed(at, &mut busy, 2);
        refreshed(at, &mut left, 1);
        assert_eq!(refresh(at, &mut late), quietly_over());
        assert_eq!(refresh(at, &mut back), quietly_over());
        assert_eq!(place.thefts().await, 0);
        assert_eq!(place.recorded("session.refresh_ahead").await, 1);
    }

    async fn a_restore_under_a_wrong_clock_ends_every_session(engine: Engine) {
        let place = Place::new(engine).await;
        place.import_one();
        for off in ["-1h", "+20d"] {
            let service = place.serve();
            let mut client = sign_in(service.public);
            let file = place.backup();
            let file = file.to_str().unwrap();
            let arguments = ["backup", "create", file, "--overwrite"];
            let (status, said, why) = place.operate_at(off, &arguments);
            assert_eq!(status, Some(0), "{off}: {said}{why}");
            drop(service);
            let arguments = ["backup", "restore", file, "--replace"];
            let (status, said, why) = place.operate_at(off, &arguments);
            assert_eq!(status, Some(0), "{off}: {said}{why}");
            let service = place.serve();
            assert_eq!(refresh(service.public, &mut client), quietly_over(), "{off}: {said}");
            drop(service);
        }
    }

    async fn a_node_finishes_a_restore_before_it_serves(engine: Engine) {
        let place = Place::new(engine).await;
        place.import_one();
        let service = place.serve();
        let mut client = sign_in(service.public);
        drop(service);
        let unfinished = match engine {
            testkit::Engine::Embedded => "randomblob(16)",
            testkit::Engine::Production => "gen_random_uuid()",
        };
        let marked = format!("INSERT INTO restores (id, marked_at, keeps_sessions) VALUES ({unfinished}, 9000000000000000, 0)");
        place.database.execute(&marked).await;
        let service = place.serve();
        assert_eq!(refresh(service.public, &mut client), quietly_over());
        assert_eq!(place.database.rows("SELECT 1 AS n FROM restores WHERE finished_at IS NULL").await.len(), 0);
        let mut client = sign_in(service.public);
        refreshed(service.public, &mut client, 1);
    }

    async fn a_backup_says_what_is_wrong_with_it(engine: Engine) {
        let place = Place::new(engine).await;
        place.import_one();
        let file = place.make_backup();
        let verify = |file: &Path| {
            let (status, said, why) = place.operate(&["backup", "verify", file.to_str().unwrap(), "--json"]);
            let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{why}"));
            let kinds = said["findings"].as_array().unwrap().iter();
            let kinds: Vec<_> = kinds.map(|it| it["kind"].as_str().unwrap().to_owned()).collect();
            assert_eq!(status, Some(i32::from(!kinds.is_empty())), "{said}");
            (kinds.join(" "), said)
        };
        let (kinds, said) = verify(&file);
        assert_eq!(kinds, "");
        assert_eq!(said["manifest"]["accounts"], 1);

        // Taken: it is not written over, and what a killed run left is.
        let again = ["backup", "create", file.to_str().unwrap()];
        assert_eq!(place.operate(&again).0, Some(1));
        let left = place.path(".backup.partial");
        fs::write(&left, "half of something").unwrap();
        let (status, _, why) = place.operate(&[&again[..], &["--overwrite"]].concat());
        assert_eq!(status, Some(0), "{why}");
        assert_eq!((mode_of(&file), left.exists()), (0o600, false));

        let whole = fs::read(&file).unwrap();
        let broken = place.path("broken");
        for length in [0, 10, whole.len() / 2, whole.len() - 1] {
            fs::write(&broken, &whole[..length]).unwrap();
            assert_eq!(verify(&broken).0, "cut_short", "{length}");
        }
        for position in [0, whole.len() / 2, whole.len() - 60] {
            let mut altered = whole.clone();
            altered[position] ^= 1;
            fs::write(&broken, &altered).unwrap();
            assert_eq!(verify(&broken).0, "altered", "{position}");
            let arguments = ["backup", "restore", broken.to_str().unwrap(), "--replace"];
            assert_eq!(place.operate(&arguments).0, Some(1));
        }
        assert_eq!(place.database.count("accounts").await, 1);

        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20991231_000001_later', 0)";
        place.database.execute(newer).await;
        let (status, _, why) = place.operate(&[&again[..], &["--overwrite"]].concat());
        assert_eq!(status, Some(0), "{why}");
        assert_eq!(verify(&file).0, "newer_schema");
        // Another ring.
        fs::remove_file(place.path("data/keys.json")).unwrap();
        assert_eq!(verify(&file).0, "newer_schema no_key_ring");
        let other = place.path("other");
        let settings = [("DATA_DIR", other.to_str().unwrap())];
        drop(crate::process::Service::start(&other, &settings));
        fs::rename(other.join("keys.json"), place.path("data/keys.json")).unwrap();
        assert_eq!(verify(&file).0, "newer_schema other_keys");
    }

    async fn a_backup_that_is_killed_leaves_none_that_looks_whole(engine: Engine) {
        let place = Place::new(engine).await;
        place.import_one();
        let file = place.backup();
        let settings = place.settings();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut pause = std::time::Duration::from_millis(4);
        for _ in 0..6 {
            let mut child = command(&settings)
                .args(["backup", "create", file.to_str().unwrap(), "--overwrite"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            tokio::time::sleep(pause).await;
            child.kill().unwrap();
            child.wait().unwrap();
            pause *= 2;
            if file.exists() {
                let (status, said, why) = place.operate(&["backup", "verify", file.to_str().unwrap()]);
                assert_eq!(status, Some(0), "{said}{why}");
            }
        }
        fs::remove_file(&file).ok();
        place.make_backup();
    }
}

fn command_of_logout(service: SocketAddr, client: &Client) -> u16 {
    let answer = crate::process::post_as(service, "/api/v1/auth/logout", &client.access);
    status_of(&answer)
}

#[tokio::test]
async fn without_the_tools_of_postgresql_it_says_which_package_has_them() {
    let place = Place::new(testkit::Engine::Production).await;
    place.import_one();
    let nowhere = place.path("nowhere");
    let mut settings = place.settings();
    settings.push(("DATABASE__TOOLS_DIR", nowhere.display().to_string()));
    let settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let file = place.backup();
    let output = run(&["backup", "create", file.to_str().unwrap()], &settings);
    assert_eq!(output.status.code(), Some(1));
    let why = complaint(&output);
    assert!(
        why.contains("pg_dump was not found") && why.contains("postgresql-client"),
        "{why}"
    );
    assert!(!file.exists());
}

#[tokio::test]
async fn through_a_pooler_nothing_is_copied_and_nothing_replaced() {
    let place = Place::new(testkit::Engine::Production).await;
    place.import_one();
    let file = place.make_backup();
    let whole = fs::read(&file).unwrap();
    // What nobody may lose to a restore that is refused.
    place
        .database
        .execute("UPDATE accounts SET version = version + 40")
        .await;
    let versions = "SELECT 1 AS n FROM accounts WHERE version >= 40";
    for (mode, more) in [
        (PoolMode::Transaction, ""),
        (
            PoolMode::Transaction,
            "ignore_startup_parameters = extra_float_digits, options",
        ),
        (PoolMode::Session, ""),
    ] {
        let pooler = PgBouncer::start(place.database.url(), mode, 4, more).await;
        let url = pooler.url_of(place.database.url());
        let through_it = [("DATABASE__URL", url.as_str())];
        let name = file.to_str().unwrap();
        for arguments in [
            &["backup", "create", name, "--overwrite"][..],
            &["backup", "restore", name, "--replace"],
            &["backup", "restored"],
        ] {
            let (status, said, why) = place.operate_with(&through_it, arguments);
            assert_eq!(status, Some(1), "{arguments:?}: {said}");
            let reason = "a pooler is between the service and PostgreSQL: give database.url of PostgreSQL itself";
            assert!(why.contains(reason), "{arguments:?}: {why}");
            assert_eq!(fs::read(&file).unwrap(), whole);
            assert!(!place.path(".backup.partial").exists());
        }
        // Whoever gets one of the pooler's sessions next finds the tables.
        for _ in 0..6 {
            let (status, said, why) = place.operate_with(&through_it, &["migrate", "status"]);
            assert_eq!(status, Some(0), "{why}");
            assert!(!said.contains("pending"), "{said}");
        }
        assert_eq!(place.database.rows(versions).await.len(), 1);
        assert_eq!(place.database.count("restores").await, 0);
    }
}

#[tokio::test]
async fn a_url_of_several_servers_is_copied_from_and_restored_to_the_one_that_takes_writes() {
    let place = Place::new(testkit::Engine::Production).await;
    place.import_one();
    let url = place.database.url();
    let more = if url.contains('?') { '&' } else { '?' };
    // Nothing listens at the first.
    let url = url.replacen('@', "@127.0.0.1:9,", 1);
    let url = format!("{url}{more}target_session_attrs=read-write&channel_binding=disable");
    let several = [("DATABASE__URL", url.as_str())];
    let file = place.backup();
    let name = file.to_str().unwrap();
    for arguments in [
        &["backup", "create", name][..],
        &["backup", "verify", name],
        &["backup", "restore", name, "--replace"],
        &["backup", "restored"],
    ] {
        let (status, said, why) = place.operate_with(&several, arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {said}{why}");
    }
    assert_eq!(place.database.count("accounts").await, 1);
    assert_eq!(place.recorded("service.database_restored").await, 2);
}

#[tokio::test]
async fn what_fails_once_the_data_are_in_place_does_not_say_that_the_old_ones_are() {
    let place = Place::new(testkit::Engine::Production).await;
    place.import_one();
    let file = place.make_backup();
    let name = Url::parse(place.database.url()).unwrap().path()[1..].to_owned();
    // The tools themselves; and when the data are committed, the database lets nobody in for a while.
    let tools = place.path("tools");
    fs::create_dir(&tools).unwrap();
    let shut = format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false");
    let psql = format!(
        "psql \"$@\" || exit $?\nexec psql --no-psqlrc --quiet --dbname=postgres --command='{shut}'"
    );
    for (tool, script) in [
        ("pg_restore", "exec pg_restore \"$@\""),
        ("psql", psql.as_str()),
    ] {
        let path = tools.join(tool);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let changes = [("DATABASE__TOOLS_DIR", tools.to_str().unwrap())];
    let arguments = ["backup", "restore", file.to_str().unwrap(), "--replace"];
    let (status, said, why) = place.operate_with(&changes, &arguments);
    let other = TestDatabase::empty(testkit::Engine::Production).await;
    other
        .execute(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true"))
        .await;
    assert_eq!(status, Some(1), "{said}");
    assert!(
        why.contains("the data are in place, and what follows is not done"),
        "{why}"
    );
    let unfinished = "SELECT 1 AS n FROM restores WHERE finished_at IS NULL";
    assert_eq!(place.database.rows(unfinished).await.len(), 1);
    drop(place.serve());
    assert_eq!(place.database.rows(unfinished).await.len(), 0);
}
