//! A database and a folder for one test's imports.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};
use testkit::{Engine, TestDatabase};

use crate::process::{Service, command, complaint, result, run};

/// A hash that Django made of `PASSWORD`, with few iterations.
pub(crate) const HASH: &str =
    "pbkdf2_sha256$1000$seasalt$5DTSOPZpn9FKoskcei94dc77FfGOPLDjKdXWipTdaWI=";
pub(crate) const PASSWORD: &str = "lilac-Harbour-42-zeppelin";

pub(crate) struct Place {
    pub(crate) database: TestDatabase,
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) async fn new(engine: Engine) -> Self {
        Self {
            database: TestDatabase::start(engine).await,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of lines.
    pub(crate) fn file(&self, name: &str, lines: &[String]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    }

    /// A file of people.
    pub(crate) fn people(&self, name: &str, people: &[Value]) -> PathBuf {
        let lines: Vec<String> = people.iter().map(Value::to_string).collect();
        self.file(name, &lines)
    }

    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let data_dir = self.path("data").display().to_string();
        vec![
            ("DATA_DIR", data_dir),
            ("DATABASE__URL", self.database.url().to_owned()),
            ("TELEMETRY__LOG", "warn".to_owned()),
        ]
    }

    /// A command of the binary: status, what it says, why it failed.
    pub(crate) fn operate(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.operate_with(&[], arguments)
    }

    /// The same with settings of its own.
    pub(crate) fn operate_with(
        &self,
        changes: &[(&'static str, &str)],
        arguments: &[&str],
    ) -> (Option<i32>, String, String) {
        self.outcome(changes, arguments, |command| command)
    }

    /// The same on a machine whose clock is off by so much (`-1h`, `+20d`).
    pub(crate) fn operate_at(
        &self,
        off: &str,
        arguments: &[&str],
    ) -> (Option<i32>, String, String) {
        self.outcome(&[], arguments, |command| {
            command
                .env("LD_PRELOAD", faketime())
                .env("FAKETIME", off)
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        })
    }

    fn outcome(
        &self,
        changes: &[(&'static str, &str)],
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command) -> &mut Command,
    ) -> (Option<i32>, String, String) {
        let mut settings = self.settings();
        settings.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let changes = changes.iter();
        settings.extend(changes.map(|(name, value)| (*name, (*value).to_owned())));
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut command = command(&settings);
        let output = prepare(&mut command).args(arguments).output();
        let output = output.expect("the binary runs");
        (output.status.code(), result(&output), complaint(&output))
    }

    /// `users import FILE …`
    pub(crate) fn import_command(&self, file: &Path, arguments: &[&str]) -> Command {
        let settings = self.settings();
        let mut command = command(&borrowed(&settings));
        command.args(["users", "import"]).arg(file).args(arguments);
        command
    }

    pub(crate) fn import(&self, file: &Path, arguments: &[&str]) -> Output {
        let output = self.import_command(file, arguments).output();
        output.expect("the binary runs")
    }

    /// Imports one person, and says which account it is.
    pub(crate) fn import_one(&self) -> String {
        let file = self.people("users", &[person(1)]);
        let mapping = self.path("mapping");
        let imported = self.import(&file, &["--mapping", mapping.to_str().unwrap()]);
        assert_eq!(imported.status.code(), Some(0), "{}", complaint(&imported));
        let line = &json_lines(&mapping)[0];
        line["account_id"].as_str().unwrap().to_owned()
    }

    /// `users …`: the exit status, what it says, and why it failed.
    pub(crate) fn users(
        &self,
        subcommand: &str,
        arguments: &[&str],
    ) -> (Option<i32>, String, String) {
        let settings = self.settings();
        let arguments = [&["users", subcommand], arguments].concat();
        let output = run(&arguments, &borrowed(&settings));
        (output.status.code(), result(&output), complaint(&output))
    }

    /// With a pipe for a file.
    pub(crate) fn import_from_pipe(&self, arguments: &[&str]) -> Child {
        self.import_command(Path::new("-"), arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs")
    }

    pub(crate) fn serve(&self) -> Service {
        let mut settings = self.settings();
        // Its own folder has the keys.
        settings.retain(|(name, _)| *name == "DATABASE__URL");
        Service::start(&self.path("data"), &borrowed(&settings))
    }

    /// Rows of the tables that an import writes to.
    pub(crate) async fn counts(&self) -> Vec<(&'static str, i64)> {
        const TABLES: [&str; 9] = [
            "accounts",
            "account_keys",
            "identifier_index",
            "profiles",
            "wallets",
            "password_credentials",
            "imported_users",
            "audit_entries",
            "outbox_events",
        ];
        let mut counts = Vec::new();
        for table in TABLES {
            counts.push((table, self.database.count(table).await));
        }
        counts
    }

    /// So many people are here, whole.
    pub(crate) async fn assert_people(&self, people: i64) {
        for (table, count) in self.counts().await {
            assert_eq!(count, people, "{table}");
        }
    }
}

pub(crate) fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let pairs = settings.iter();
    pairs.map(|(name, value)| (*name, value.as_str())).collect()
}

/// A verified, active client with a password.
pub(crate) fn person(id: u64) -> Value {
    json!({
        "id": id,
        "email": format!("person-{id}@example.com"),
        "password": HASH,
        "role": "client",
        "is_verified": true,
        "is_active": true,
        "is_staff": false,
        "is_superuser": false,
        "first_name": "Ada",
        "last_name": format!("Obi {id}"),
        "country": "NG",
        "language": "en",
        "date_joined": "2021-03-04T05:06:07.123456+00:00",
        "last_login": "2026-01-02T03:04:05Z",
    })
}

/// The same with fields of one's own; `null` takes one away.
pub(crate) fn person_with(id: u64, fields: &Value) -> Value {
    let mut person = person(id);
    for (name, value) in fields.as_object().unwrap() {
        person[name] = value.clone();
    }
    person
}

pub(crate) fn people(ids: std::ops::RangeInclusive<u64>) -> Vec<Value> {
    ids.map(person).collect()
}

/// What a line of the summary says.
pub(crate) fn told(output: &Output, line: &str) -> u64 {
    let text = result(output);
    let found = text.lines().find_map(|it| it.strip_prefix(line));
    let number = found.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {line:?} in {text}{}", complaint(output)))
}

/// The lines of a report or a mapping.
pub(crate) fn json_lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Gives a program another time of day.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("/usr/lib");
    let mut files = folders.map(|it| it.unwrap().path().join("faketime/libfaketime.so.1"));
    let there = files.find(|file| file.exists());
    there.expect("libfaketime: run deploy/servers.sh install")
}
