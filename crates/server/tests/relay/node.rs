//! The binary, as a relay and as a command.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use authentication_app::ports::EventQueue as _;
use identity_adapters_postgres::Store;
use rustix::process::{Pid, Signal, kill_process};
use testkit::TestDatabase;
use tokio::time::sleep;

use crate::SECRET;

/// Longest that anything which follows by itself is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// What every process of a test has in common.
#[derive(Clone)]
pub(crate) struct Settings {
    variables: Vec<(String, String)>,
}

impl Settings {
    /// A relay to the receiver at `url`, quick to give a lease up, and patient with events.
    pub(crate) fn new(database: &TestDatabase, folder: &Path, url: &str) -> Self {
        let variables = [
            ("DATA_DIR", folder.join("data").display().to_string()),
            ("DATABASE__URL", database.url().to_owned()),
            ("DATABASE__MAX_CONNECTIONS", "4".to_owned()),
            ("MANAGEMENT__LISTEN", "127.0.0.1:0".to_owned()),
            ("EVENTS__SINKS", "webhook".to_owned()),
            ("EVENTS__ALLOW_LOOPBACK", "true".to_owned()),
            ("EVENTS__WEBHOOKS__SHOP__URL", url.to_owned()),
            ("EVENTS__WEBHOOKS__SHOP__SECRETS", SECRET.to_owned()),
            ("EVENTS__DELIVERY_DEADLINE_MILLISECONDS", "200".to_owned()),
            ("EVENTS__POLL_MILLISECONDS", "50".to_owned()),
            ("EVENTS__MOST_ATTEMPTS", "1000".to_owned()),
        ];
        let named = variables
            .into_iter()
            .map(|(name, value)| (format!("FASHIONISTAR_AUTH__{name}"), value));
        Self {
            variables: named.collect(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let name = format!("FASHIONISTAR_AUTH__{name}");
        self.variables.retain(|(other, _)| *other != name);
        self.variables.push((name, value.to_owned()));
        self
    }

    /// Starts a relay that logs to this file.
    pub(crate) fn relay(&self, log: &Path) -> Relay {
        let log = File::options().create(true).append(true).open(log);
        let child = self
            .command(&["events", "relay"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("the relay starts");
        Relay(child)
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fashionistar-auth"));
        let variables = self.variables.iter();
        command
            .env_clear()
            .envs(variables.map(|(name, value)| (name, value)))
            .args(arguments);
        command
    }
}

/// A relay that runs; killed with the value.
pub(crate) struct Relay(Child);

impl Relay {
    /// SIGKILL, and gone.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("the relay can be killed");
        self.0.wait().expect("the relay ends");
    }

    /// SIGTERM, and whether it ended well.
    pub(crate) fn end(mut self) -> bool {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("the signal is sent");
        self.0.wait().expect("the relay ends").success()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Comes back when the fact holds.
pub(crate) async fn until(what: &str, fact: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !fact().await {
        assert!(begun.elapsed() < PATIENCE, "it never came: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Comes back when a relay serves the destination: what is written from here on is delivered.
pub(crate) async fn until_served(store: &Store) {
    until("a relay that serves", async || {
        !store.event_backlog().await.unwrap().is_empty()
    })
    .await;
}
