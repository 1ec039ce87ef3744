//! A PgBouncer between a test and a PostgreSQL server.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use url::Url;

use super::{free_port, postgres::folder_of_the_server};

/// Time limit for its start.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a client keeps a session of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// As long as the client is connected.
    Session,
    /// For one transaction.
    Transaction,
    /// For one statement.
    Statement,
}

/// A `pgbouncer` on a free port of loopback. It ends when this is dropped. It accepts the role of the server's URL
/// without a password, and forwards to every database of that server by its name.
pub struct PgBouncer {
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl PgBouncer {
    /// Starts one in front of the server of `url`, with `sessions` server sessions per database, and with `settings` as
    /// additional lines of its configuration.
    ///
    /// # Panics
    /// When there is no `pgbouncer`, or it does not listen.
    pub async fn start(url: &str, mode: PoolMode, sessions: u32, settings: &str) -> Self {
        let server = Url::parse(url).expect("the URL of a PostgreSQL");
        let mut pooler = Self {
            port: 0,
            folder: folder_of_the_server(),
            child: None,
        };
        for _ in 0..5 {
            // Another process may take the port between the choice and the start.
            pooler.port = free_port();
            pooler.configure(&server, mode, sessions, settings);
            if pooler.serve().await {
                return pooler;
            }
        }
        panic!("pgbouncer does not start");
    }

    /// The URL of this database through the pooler.
    ///
    /// # Panics
    /// When `database` is not a URL.
    pub fn url_of(&self, database: &str) -> String {
        let mut url = Url::parse(database).expect("the URL of a database");
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(self.port)).expect("a port");
        url.into()
    }

    fn configure(&self, server: &Url, mode: PoolMode, sessions: u32, settings: &str) {
        let (host, port) = (server.host_str().expect("a host"), server.port());
        let port = port.unwrap_or(5432);
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
            PoolMode::Statement => "statement",
        };
        let folder = self.folder.path().display();
        let text = format!(
            "[databases]\n* = host={host} port={port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\n\
             pool_mode = {mode}\ndefault_pool_size = {sessions}\nmax_client_conn = 500\n\
             pidfile = {folder}/pid\n{settings}\n",
            self.port
        );
        let user = format!("\"{}\" \"\"\n", server.username());
        for (name, text) in [("ini", text), ("users", user)] {
            // With default permissions: PgBouncer does not run as root, and reads them.
            fs::write(self.folder.path().join(name), text).expect("a file of its own");
        }
        // Left over from an earlier attempt.
        let pid = self.folder.path().join("pid");
        let _ = fs::remove_file(pid);
    }

    async fn serve(&mut self) -> bool {
        let mut child = command()
            .arg("--quiet")
            .arg(self.folder.path().join("ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PgBouncer: run deploy/servers.sh install");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let has_ended = child.try_wait().expect("a child of ours").is_some();
            let listens = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
            if has_ended {
                return false;
            }
            if listens && self.pid().is_some() {
                self.child = Some(child);
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    fn pid(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.folder.path().join("pid")).ok()?;
        Pid::from_raw(file.trim().parse().ok()?)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // PgBouncer itself first, then the program that started it as another user.
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, Signal::KILL);
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }
}

/// PgBouncer refuses to run as root. Debian installs it outside the `PATH` of other users.
fn command() -> Command {
    let of_debian = Path::new("/usr/sbin/pgbouncer");
    let program = if of_debian.exists() {
        of_debian
    } else {
        Path::new("pgbouncer")
    };
    if geteuid().is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}
