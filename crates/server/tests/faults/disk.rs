//! The embedded database has no room left.
//!
//! The limit that the system puts on the size of a file of one process stands for a full disk: it needs no
//! rights, it holds for this service alone, and the write fails in the same place. `deploy/faults.sh` fills a
//! real one.

use std::process::Command;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::Value;
use testkit::{Engine, TestDatabase};

use crate::{
    client::{Answer, Client},
    process::{Service, command},
    visitor::Visitor,
};

/// The binary, started by a shell that lets it live on when a file would grow beyond the limit: the write
/// fails then, as on a full disk.
fn command_that_outlives_its_limit(settings: &[(&str, &str)]) -> Command {
    let binary = command(settings);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "trap '' XFSZ; exec \"$0\""])
        .arg(binary.get_program())
        .env_clear()
        .envs(
            binary
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    shell
}

/// From here on no file of the service grows beyond so many bytes; `None` lifts that.
fn limit_files(service: &Service, most: Option<u64>) {
    let limit = Rlimit {
        current: most,
        ..getrlimit(Resource::Fsize)
    };
    prlimit(Some(service.pid()), Resource::Fsize, limit).unwrap();
}

fn size_of(path: &str) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

#[tokio::test]
async fn heavy_a_full_disk_is_said_once_and_left_behind_when_there_is_room() {
    let database = TestDatabase::empty(Engine::Embedded).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE__URL", database.url()),
        ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8"),
    ];
    let service = Service::run(command_that_outlives_its_limit(&settings), folder.path());
    let client = Client::of(&service);
    let mut visitor = Visitor::register(&client, 0).await;

    let file = database.url().trim_start_matches("sqlite://");
    let file = file.split('?').next().unwrap();
    let room = 16 * 1_024 + size_of(file).max(size_of(&format!("{file}-wal")));
    limit_files(&service, Some(room));
    let mut answers: Vec<Answer> = Vec::new();
    while answers.iter().filter(|answer| answer.status == 503).count() < 10 {
        let answer = client
            .register(&format!("person-{}@example.com", answers.len()))
            .await;
        assert!(
            answer.status == 202 || answer.is_unavailable(),
            "{answer:?}"
        );
        answers.push(answer);
    }
    // What only reads goes on, and so the service is of use.
    assert_eq!(visitor.look().await, 200);
    let sessions = client.get_as(visitor.access(), "/api/v1/me/sessions").await;
    assert_eq!(sessions.status, 200, "{sessions:?}");
    assert_eq!(
        client.until_readiness_is("degraded").await,
        ["database=degraded"]
    );

    limit_files(&service, None);
    assert_eq!(client.until_readiness_is("ready").await, ["database=up"]);
    let newcomer = client.register("late@example.com").await;
    assert_eq!(newcomer.status, 202, "{newcomer:?}");
    visitor.sign_in().await;
    visitor.assert_promises_were_kept().await;
    // Whoever got their 202 gets their code.
    for (number, answer) in answers.iter().enumerate() {
        if answer.status == 202 {
            client
                .code_for(&format!("person-{number}@example.com"))
                .await;
        }
    }

    service.signal(Signal::TERM);
    let (status, lines, _) = service.ended();
    assert_eq!(status.code(), Some(0), "{lines:#?}");
    let is_error = |line: &&Value| line["level"] == "ERROR";
    let errors: Vec<&Value> = lines.iter().filter(is_error).collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let told = "the disk is full: what writes to the database is refused";
    assert_eq!(errors[0]["message"], told);
    let verdict = database.rows("PRAGMA integrity_check").await;
    let verdict: String = verdict[0].try_get("", "integrity_check").unwrap();
    assert_eq!(verdict, "ok");
}
