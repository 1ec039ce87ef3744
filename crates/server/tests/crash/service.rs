//! The binary as a child process, on stores that outlive it.

use std::{
    collections::HashMap,
    fs::{self, File},
    iter,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use testkit::{Engine, TestDatabase};
use tokio::{
    sync::watch,
    time::{interval, sleep},
};

use crate::{
    PEOPLE, ROUNDS,
    client::{Client, Codes},
    random,
};

/// Longest that a start is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// What every start of the service has in common.
pub(crate) struct SetUp {
    folder: tempfile::TempDir,
    database: TestDatabase,
    address: SocketAddr,
    variables: Vec<(&'static str, String)>,
}

impl SetUp {
    pub(crate) async fn new(engine: Engine) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = TestDatabase::empty(engine).await;
        let address = free_address();
        let mut variables = vec![
            ("DATA_DIR", folder.path().join("data").display().to_string()),
            ("HTTP__LISTEN", address.to_string()),
            ("MANAGEMENT__LISTEN", free_address().to_string()),
            ("DATABASE__URL", database.url().to_owned()),
            ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8".to_owned()),
            ("TELEMETRY__LOG", "warn,server=info".to_owned()),
            // A crowd on a small machine is to be served, however long it takes: this is about crashes.
            ("PASSWORDS__QUEUE", (2 * ROUNDS * PEOPLE).to_string()),
            ("DATABASE__ACQUIRE_TIMEOUT_SECONDS", "60".to_owned()),
            ("HTTP__REQUEST_DEADLINE_SECONDS", "60".to_owned()),
        ];
        if engine == Engine::Production {
            variables.push(("REDIS__URL", testkit::redis_url()));
            variables.push(("REDIS__KEY_PREFIX", format!("{}:", testkit::unique_name())));
        }
        Self {
            folder,
            database,
            address,
            variables,
        }
    }

    pub(crate) async fn start(&self) -> Service {
        let log = self.folder.path().join("log");
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file");
        let variables = self.variables.iter();
        let child = Command::new(env!("CARGO_BIN_EXE_fashionistar-auth"))
            .env_clear()
            .envs(variables.map(|(name, value)| (format!("FASHIONISTAR_AUTH__{name}"), value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("the service starts");
        let mut service = Service {
            child,
            log,
            client: Client::new(self.address),
        };
        let begun = Instant::now();
        while !matches!(
            service.client.get("/health/ready", None).await,
            Ok((200, _))
        ) {
            assert_eq!(
                service.child.try_wait().expect("a child of ours"),
                None,
                "the service ended"
            );
            assert!(
                begun.elapsed() < PATIENCE,
                "the service does not become ready"
            );
            sleep(Duration::from_millis(10)).await;
        }
        service
    }

    /// Every account has everything that belongs to it, the trail and the outbox say the same.
    pub(crate) async fn assert_nobody_is_half_there(&self, people: usize) {
        let people = i64::try_from(people).expect("few people");
        for rows in [
            "accounts",
            "account_keys",
            "identifier_index",
            "password_credentials",
            "profiles",
            "wallets",
            "audit_entries WHERE action = 'account.registered' AND outcome = 'success'",
            "outbox_events WHERE event_type = 'com.fashionistar.auth.account.registered.v1'",
        ] {
            assert_eq!(self.database.count(rows).await, people, "{rows}");
        }
        if self.database.engine() == Engine::Embedded {
            let verdict = self.database.rows("PRAGMA integrity_check").await;
            let verdict: Vec<String> = verdict
                .iter()
                .map(|row| row.try_get("", "integrity_check").unwrap())
                .collect();
            assert_eq!(verdict, ["ok"]);
        }
    }
}

/// A running service; killed with the value, and what it said is shown when the test fails.
pub(crate) struct Service {
    child: Child,
    log: PathBuf,
    pub(crate) client: Client,
}

impl Service {
    /// SIGKILL, and gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the service can be killed");
        self.child.wait().expect("the service ends");
    }

    /// Reads the mailbox for everybody, until the service is gone: two hundred readers would keep it from
    /// its work.
    pub(crate) fn codes(&self) -> Codes {
        let (known, codes) = watch::channel(HashMap::new());
        let client = self.client.clone();
        tokio::spawn(async move {
            let mut pace = interval(Duration::from_millis(50));
            while let Ok((status, mailbox)) = client.get("/dev/mailbox", None).await {
                assert_eq!(status, 200, "{mailbox}");
                let text = |item: &Value, name: &str| item[name].as_str().map(str::to_owned);
                let items = mailbox["items"].as_array().expect("items").iter().rev();
                // Newest last, so that it is what stays.
                let newest =
                    items.filter_map(|item| Some((text(item, "to")?, text(item, "code")?)));
                known.send_replace(newest.collect());
                pace.tick().await;
            }
        });
        codes
    }
}

impl Drop for Service {
    #[expect(
        clippy::print_stderr,
        reason = "the only way to say why the service failed"
    )]
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(200)..].join("\n");
            eprintln!("--- the end of what the service said\n{end}\n---");
        }
    }
}

/// A port below the range that outgoing connections are given: nobody takes it between kill and restart.
fn free_address() -> SocketAddr {
    let candidates = iter::repeat_with(|| 20_000 + u16::try_from(random(12_000)).unwrap());
    let mut addresses = candidates.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a free port")
}
