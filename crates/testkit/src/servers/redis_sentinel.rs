//! A Redis with a replica and a sentinel that one test may break.

use std::{ffi::OsString, fs, process::Command, time::Duration};

use super::{RedisServer, free_port};

const A_MOMENT: Duration = Duration::from_millis(20);
/// The password of the sentinel, and that of the servers.
const OF_THE_SENTINEL: &str = "a-word-of-the-sentinel";
const OF_THE_SERVERS: &str = "a-word-of-the-servers";

/// A primary, its replica, and a sentinel that promotes the replica when the primary is lost. They end when this is
/// dropped. The sentinel and the servers have different passwords.
pub struct RedisSentinel {
    /// The primary at the start.
    pub primary: RedisServer,
    /// Its replica.
    pub replica: RedisServer,
    sentinel: RedisServer,
}

impl RedisSentinel {
    /// The name by which the sentinel knows the primary.
    pub const NAME: &str = "sessions";

    /// Starts them, and returns when the sentinel knows both servers.
    ///
    /// # Panics
    /// As [`RedisServer::start`].
    pub async fn start() -> Self {
        let primary = RedisServer::start().await;
        let replica = RedisServer::start().await;
        primary.order("CONFIG SET repl-diskless-sync-delay 0");
        for server in [&primary, &replica] {
            server.order(&format!("CONFIG SET masterauth {OF_THE_SERVERS}"));
        }
        // Before the replica connects: if this interrupted its handshake, it would retry only after a minute.
        primary.require_password(OF_THE_SERVERS);
        replica.order(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        // Also before the sentinel looks, because it looks again only after ten seconds.
        while !replica
            .ask("INFO replication")
            .contains("master_link_status:up")
        {
            tokio::time::sleep(A_MOMENT).await;
        }
        replica.require_password(OF_THE_SERVERS);
        let port = primary.port();
        let settings = |port: u16| {
            let name = Self::NAME;
            format!(
                "sentinel monitor {name} 127.0.0.1 {port} 1\n\
                 sentinel auth-pass {name} {OF_THE_SERVERS}\n\
                 sentinel down-after-milliseconds {name} 60000\n\
                 sentinel failover-timeout {name} 3000\n\
                 requirepass {OF_THE_SENTINEL}\n"
            )
        };
        let sentinel = RedisServer::start_with(free_port, |folder, _| {
            let file = folder.join("sentinel.conf");
            fs::write(&file, settings(port)).expect("a file for the sentinel");
            vec![file.into_os_string(), OsString::from("--sentinel")]
        })
        .await;
        let all = Self {
            primary,
            replica,
            sentinel,
        };
        all.until_it_knows_the_replica().await;
        all
    }

    /// The URL with which a client asks a sentinel for the primary.
    pub fn url(&self) -> String {
        format!("redis://:{OF_THE_SERVERS}@{}/0", Self::NAME)
    }

    /// The URL of the sentinel.
    pub fn sentinel_url(&self) -> String {
        let port = self.sentinel.port();
        format!("redis://:{OF_THE_SENTINEL}@127.0.0.1:{port}")
    }

    /// The URL of one server, for connections that bypass the sentinel.
    pub fn url_of(&self, server: &RedisServer) -> String {
        format!("redis://:{OF_THE_SERVERS}@127.0.0.1:{}/0", server.port())
    }

    /// Kills the primary, and lets the sentinel notice within half a second. Until then its timeout is long, for busy
    /// machines.
    pub fn lose_the_primary(&mut self) {
        let impatient = [
            "SENTINEL",
            "SET",
            Self::NAME,
            "down-after-milliseconds",
            "500",
        ];
        redis_cli(&self.sentinel, OF_THE_SENTINEL, &impatient);
        self.primary.kill();
    }

    /// Returns when the sentinel reports the replica as the primary.
    pub async fn until_the_replica_is_primary(&self) {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME];
        let port = self.replica.port().to_string();
        while !redis_cli(&self.sentinel, OF_THE_SENTINEL, &question).contains(&port) {
            tokio::time::sleep(A_MOMENT).await;
        }
    }

    /// Cuts the replication connection, so that the replica misses all further writes. The replica has to be frozen
    /// before, or it reconnects at once.
    pub fn cut_the_replica_off(&self) {
        let cut = ["CLIENT", "KILL", "TYPE", "replica"];
        redis_cli(&self.primary, OF_THE_SERVERS, &cut);
    }

    /// The replication offset of a server.
    ///
    /// # Panics
    /// When the server does not report it.
    pub fn offset_of(&self, server: &RedisServer) -> u64 {
        let told = redis_cli(server, OF_THE_SERVERS, &["INFO", "replication"]);
        let mut lines = told.lines();
        let offset = lines.find_map(|line| line.strip_prefix("master_repl_offset:"));
        let offset = offset.and_then(|it| it.trim().parse().ok());
        offset.unwrap_or_else(|| panic!("no offset in {told}"))
    }

    async fn until_it_knows_the_replica(&self) {
        let question = ["SENTINEL", "REPLICAS", Self::NAME];
        let port = self.replica.port().to_string();
        // The sentinel promotes only a replica whose state it has queried.
        loop {
            let answer = redis_cli(&self.sentinel, OF_THE_SENTINEL, &question);
            if answer.contains(&port) && answer.contains("master-link-status\nok") {
                return;
            }
            tokio::time::sleep(A_MOMENT).await;
        }
    }
}

fn redis_cli(server: &RedisServer, password: &str, command: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-p", &server.port().to_string(), "-a", password])
        .arg("--no-auth-warning")
        .args(command)
        .output()
        .expect("redis-cli, which comes with redis-server");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
