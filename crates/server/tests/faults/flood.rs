//! More sign-ins than there are cores to hash for.

use std::{collections::BTreeMap, fs};

use serde_json::json;
use testkit::{Engine, TestDatabase};
use tokio::task::JoinSet;

use crate::{
    client::Client,
    process::Service,
    visitor::{PASSWORD, Visitor},
};

const PARALLEL: usize = 150;
const EACH: usize = 4;
/// Of one hash, as it is configured when nobody says.
const MIB_OF_A_HASH: u64 = 19;
/// What so many connections and their requests may take beside that.
const MIB_OF_THE_REST: u64 = 200;

/// The most memory that the process ever had, in MiB.
fn most_memory(service: &Service) -> u64 {
    let file = format!("/proc/{}/status", service.pid().as_raw_nonzero());
    let status = fs::read_to_string(file).expect("Linux tells");
    let peak = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = peak.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        / 1_024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_flood_of_sign_ins_is_refused_and_drowns_nobody() {
    let database = TestDatabase::start(Engine::Embedded).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("DATABASE__URL", database.url()),
        ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8"),
        ("PASSWORDS__THREADS", "2"),
        ("PASSWORDS__QUEUE", "16"),
    ];
    let service = Service::start(folder.path(), &settings);
    let client = Client::of(&service);
    let mut visitor = Visitor::register(&client, 0).await;
    let before = most_memory(&service);

    let mut flood = JoinSet::new();
    for number in 0..PARALLEL {
        let client = client.clone();
        flood.spawn(async move {
            let mut answers = Vec::new();
            for attempt in 0..EACH {
                // Nobody twice, so that no lockout ends the flood.
                let whom = format!("flood-{number}-{attempt}@example.com");
                let body = json!({"identifier": whom, "password": PASSWORD});
                answers.push(client.post("/api/v1/auth/login", &body).await);
            }
            answers
        });
    }
    let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
    while let Some(answers) = flood.join_next().await {
        // Who is signed in is served all the while.
        assert_eq!(visitor.look().await, 200);
        for answer in answers.unwrap() {
            if answer.status == 503 {
                assert!(
                    answer.is_unavailable() && answer.code() == "overloaded",
                    "{answer:?}"
                );
            }
            *counts.entry(answer.status).or_default() += 1;
        }
    }
    let statuses: Vec<u16> = counts.keys().copied().collect();
    assert_eq!(
        statuses,
        [401, 503],
        "some are heard, the others refused: {counts:?}"
    );
    let grown = most_memory(&service) - before;
    assert!(
        grown < 2 * MIB_OF_A_HASH + MIB_OF_THE_REST,
        "{grown} MiB; {PARALLEL} hashes at once would take {}",
        MIB_OF_A_HASH * u64::try_from(PARALLEL).unwrap()
    );
    visitor.sign_in().await;
    assert_eq!(visitor.look().await, 200);
}
