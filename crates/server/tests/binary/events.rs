//! `events`: what operators do about events from the command line. What becomes of them shows `tests/relay`.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt as _,
    process::Stdio,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use testkit::TestDatabase;

use crate::{
    doctor::free_port,
    process::{command, complaint, get, run},
};

testkit::on_every_engine! {
    /// Who has the address of a production database, and not its mode, in the environment.
    async fn a_database_that_lacks_migrations_is_left_alone(engine: Engine) {
        let database = TestDatabase::empty(engine).await;
        let settings = [("DATABASE__URL", database.url()), ("TELEMETRY__LOG", "off")];
        for arguments in [
            &["events", "status"][..],
            &["events", "parked"],
            &["events", "resend", "--all"],
            &["events", "forget", "webhook:shop", "--yes"],
        ] {
            let output = run(arguments, &settings);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            let text = complaint(&output);
            assert!(text.contains("run fashionistar-auth migrate up"), "{text}");
        }
        let status = run(&["migrate", "status"], &settings);
        let applied = crate::process::result(&status);
        assert!(applied.lines().all(|line| line.starts_with("pending ")), "{applied}");
    }
}

#[test]
fn ctrl_c_ends_a_command_that_waits() {
    for signal in [Signal::INT, Signal::TERM] {
        // It takes the connection and never says a word.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://auth@{}/auth", silent.local_addr().unwrap());
        let mut child = command(&[("DATABASE__URL", &url)])
            .args(["events", "status"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _connection = silent.accept().unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    }
}

/// Container engines and Prometheus ask it as they ask any node.
#[test]
fn a_relay_says_how_it_is_and_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let management = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (data, listen) = (
        folder.path().join("data").display().to_string(),
        management.to_string(),
    );
    let settings = [
        ("DATA_DIR", data.as_str()),
        ("MANAGEMENT__LISTEN", &listen),
        ("EVENTS__SINKS", "log"),
    ];
    let mut child = command(&settings)
        .args(["events", "relay"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_healthy = || run(&["healthcheck"], &settings).status.success();
    let begun = Instant::now();
    while !is_healthy() {
        assert!(begun.elapsed().as_secs() < 60, "the relay is not healthy");
    }
    let metrics = get(management, "/metrics");
    for metric in [
        "auth_events_total{",
        "auth_store_connections{",
        "auth_backlog_items{",
    ] {
        assert!(metrics.contains(metric), "{metric}: {metrics}");
    }
    assert!(get(management, "/health/live").starts_with("HTTP/1.1 200"));
    assert!(get(management, "/api/v1/me").starts_with("HTTP/1.1 404"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
