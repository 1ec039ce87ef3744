//! `sessions revoke`, as operators use it.

use std::time::Duration;

use testkit::servers::RedisServer;

use crate::{
    backup::{Client, sign_in},
    process::{Service, get_as},
    users_import::place::Place,
};

/// Longest that a node may go on believing in a session that an operator ended.
const SECONDS: Duration = Duration::from_secs(15);

async fn is_refused_soon(service: &Service, client: &Client) {
    let refused = async {
        while !get_as(service.public, "/api/v1/me", &client.access).starts_with("HTTP/1.1 401") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let refused = tokio::time::timeout(SECONDS, refused).await;
    assert!(refused.is_ok(), "the token of an ended session goes on");
}

fn is_let_in(service: &Service, client: &Client) -> bool {
    get_as(service.public, "/api/v1/me", &client.access).starts_with("HTTP/1.1 200")
}

async fn recorded(place: &Place) -> (usize, usize) {
    let entries = "SELECT 1 AS n FROM audit_entries WHERE action = 'session.ended' AND diff IS NOT NULL AND actor_id IS NULL";
    let events = "SELECT 1 AS n FROM outbox_events WHERE data LIKE '%ended_by_operator%'";
    (
        place.database.rows(entries).await.len(),
        place.database.rows(events).await.len(),
    )
}

testkit::on_every_engine! {
    async fn sessions_that_an_operator_ends_are_over_on_a_running_node(engine: Engine) {
        let place = Place::new(engine).await;
        let account = place.import_one();
        let service = place.serve();
        let clients = [sign_in(service.public), sign_in(service.public)];
        assert!(clients.iter().all(|it| is_let_in(&service, it)));
        let reason = ["--reason", "ticket 4711"];
        let revoke = |arguments: &[&str]| {
            let (status, said, why) = place.operate(&[&["sessions", "revoke"], arguments].concat());
            assert_eq!(status, Some(0), "{arguments:?}: {said}{why}");
            said
        };
        assert_eq!(revoke(&["--all", "--dry-run"]), "2 sessions of 1 accounts would end\n");
        let nobodys = "01936f4e-8e5c-7b1a-9c1d-0c6a3a1f2b3c";
        for none in [
            &["--role", "vendor"][..],
            &["--account", nobodys],
            &["--created-before", "2026-01-01T00:00:00Z"],
            &["--role", "client", "--created-since", "2999-01-01T00:00:00Z"],
        ] {
            assert_eq!(revoke(&[none, &reason].concat()), "0 sessions of 0 accounts ended\n", "{none:?}");
        }
        assert!(clients.iter().all(|it| is_let_in(&service, it)));
        let some = ["--role", "client", "--account", &account, "--created-since", "2026-01-01T00:00:00Z"];
        assert_eq!(revoke(&[&some, &reason[..]].concat()), "2 sessions of 1 accounts ended\n");
        for client in &clients {
            is_refused_soon(&service, client).await;
        }
        assert_eq!(revoke(&[&["--all"], &reason[..]].concat()), "0 sessions of 0 accounts ended\n");
        assert_eq!(recorded(&place).await, (2, 2));
        assert!(is_let_in(&service, &sign_in(service.public)));

        for wrong in [
            &[][..],
            &["--all"],
            &["--all", "--role", "client", "--dry-run"],
            &["--role", "nobody", "--dry-run"],
            &["--created-before", "yesterday", "--dry-run"],
            &["--all", "--reason", "ada@example.com"],
        ] {
            assert_eq!(place.operate(&[&["sessions", "revoke"], wrong].concat()).0, Some(2), "{wrong:?}");
        }
    }

    async fn a_wrong_clock_of_the_operators_machine_spares_no_session(engine: Engine) {
        let place = Place::new(engine).await;
        place.import_one();
        let service = place.serve();
        let revoke = ["sessions", "revoke", "--all", "--reason", "ticket 4711"];
        for off in ["-60s", "-1h", "+1h", "+20d"] {
            let client = sign_in(service.public);
            let (status, said, why) = place.operate_at(off, &revoke);
            assert_eq!(status, Some(0), "{off}: {why}");
            assert_eq!(said, "1 sessions of 1 accounts ended\n", "{off}: {why}");
            is_refused_soon(&service, &client).await;
        }
    }
}

#[tokio::test]
async fn every_node_hears_of_it_by_redis() {
    let place = Place::new(testkit::Engine::Production).await;
    place.import_one();
    let redis = RedisServer::start().await;
    let (database, redis) = (place.database.url().to_owned(), redis.url());
    // One issuer, so that each node takes the tokens of the other.
    let of_nodes = [
        ("DATABASE__URL", database.as_str()),
        ("REDIS__URL", redis.as_str()),
        ("HTTP__PUBLIC_URL", "https://auth.example.com"),
    ];
    let data = place.path("data");
    let nodes = [
        Service::start(&data, &of_nodes),
        Service::start(&data, &of_nodes),
    ];
    let client = sign_in(nodes[0].public);
    assert!(nodes.iter().all(|node| is_let_in(node, &client)));
    let settings = [
        ("DATA_DIR", data.to_str().unwrap()),
        of_nodes[0],
        of_nodes[1],
    ];
    let arguments = ["sessions", "revoke", "--all", "--reason", "ticket 4711"];
    let done = crate::process::run(&arguments, &settings);
    assert_eq!(
        done.status.code(),
        Some(0),
        "{}",
        crate::process::complaint(&done)
    );
    // The broadcast arrived, or would within the second for which a node remembers by itself.
    for node in &nodes {
        is_refused_soon(node, &client).await;
    }
}
