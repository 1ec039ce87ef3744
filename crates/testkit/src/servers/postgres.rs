//! A PostgreSQL server that one test may stop, restart and freeze.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use sea_orm::{ConnectionTrait as _, Database};
use tempfile::TempDir;

use super::{Certificate, free_port};

/// Time limit for the start of the server.
const PATIENCE: Duration = Duration::from_mins(1);

/// A PostgreSQL server on a free port of loopback. It ends when this is dropped.
///
/// The programs are those of the newest installation, as in `deploy/servers.sh`. The port stays the same after a
/// restart, as it does for a service with a configured port.
pub struct PostgresServer {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl PostgresServer {
    /// Starts a server without any database of ours.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    pub async fn start() -> Self {
        let programs = programs().expect("PostgreSQL 14 or newer: run deploy/servers.sh install");
        let folder = folder_of_the_server();
        let mut server = Self {
            programs,
            folder,
            port: free_port(),
        };
        server.initialise();
        for _ in 0..5 {
            // Another process may take the port between the choice and the start.
            if server.serve().await {
                return server;
            }
            server.port = free_port();
        }
        panic!("PostgreSQL does not start: {}", server.log());
    }

    /// Starts a standby, which follows this server and takes no writes until [`Self::promote`].
    ///
    /// # Panics
    /// When the server cannot be copied, or the standby does not start.
    pub async fn standby(&self) -> Self {
        let mut standby = Self {
            programs: self.programs.clone(),
            folder: folder_of_the_server(),
            port: free_port(),
        };
        let copied = as_server(&self.programs.join("pg_basebackup"))
            .args([
                "--host=127.0.0.1",
                "--username=postgres",
                "--checkpoint=fast",
            ])
            .args(["--wal-method=stream", "--write-recovery-conf", "--no-sync"])
            .arg(format!("--port={}", self.port))
            .arg("--pgdata")
            .arg(standby.data())
            .output();
        let copied = copied.expect("pg_basebackup runs");
        assert!(copied.status.success(), "{}", text(&copied));
        for _ in 0..5 {
            if standby.serve().await {
                return standby;
            }
            standby.port = free_port();
        }
        panic!("the standby does not start: {}", standby.log());
    }

    /// Promotes a standby to a primary.
    ///
    /// # Panics
    /// When this is not a standby.
    pub fn promote(&self) {
        self.pg_ctl(&["--wait", "--timeout=60", "promote"]);
    }

    /// Shuts it down cleanly: standbys then have everything that was committed.
    pub fn stop(&self) {
        self.pg_ctl(&["-m", "fast", "stop"]);
    }

    /// Executes statements on the default database.
    ///
    /// # Panics
    /// When they fail.
    pub async fn execute(&self, statements: &str) {
        let connection = Database::connect(self.url()).await.expect("it answers");
        let done = connection.execute_unprepared(statements).await;
        done.unwrap_or_else(|error| panic!("{statements}: {error}"));
        connection.close().await.expect("the end of a connection");
    }

    /// The URL of the default database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Accepts TLS with this certificate from now on, in addition to connections in clear.
    ///
    /// # Panics
    /// When the server refuses the certificate.
    pub async fn serve_tls(&self, certificate: &Certificate) {
        self.pg_ctl(&["-m", "fast", "stop"]);
        for (from, name) in [
            (&certificate.chain, "server.crt"),
            (&certificate.key, "server.key"),
        ] {
            let to = self.data().join(name);
            fs::copy(from, &to).expect("a file of its own");
            let owner = fs::metadata(self.data()).expect("the folder of the server");
            chown(&to, Some(owner.uid()), Some(owner.gid())).expect("the server may read it");
            fs::set_permissions(&to, Permissions::from_mode(0o600)).expect("and nobody else");
        }
        let file = self.data().join("postgresql.conf");
        let kept = fs::read_to_string(&file).expect("the settings");
        fs::write(&file, kept + "ssl = on\n").expect("the settings can be changed");
        self.restart().await;
    }

    /// The port on loopback.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Stops it as in a crash: connections are cut, and it recovers from its write-ahead log at the next start.
    pub fn stop_immediately(&self) {
        self.pg_ctl(&["-m", "immediate", "stop"]);
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&self) {
        assert!(
            self.serve().await,
            "PostgreSQL does not start again: {}",
            self.log()
        );
    }

    /// Freezes the server until [`Self::thaw`]: the operating system still accepts connections and data, but no process
    /// answers.
    pub fn freeze(&self) {
        // The parent first, or it would restart the stopped children.
        self.signal_all(Signal::STOP);
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal_all(Signal::CONT);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn initialise(&self) {
        let made = as_server(&self.programs.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(self.data())
            .output();
        let made = made.expect("initdb runs");
        assert!(made.status.success(), "{}", text(&made));
        let settings = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\n\
                        max_connections = 200\nfsync = off\ntimezone = 'UTC'\n";
        let file = self.data().join("postgresql.conf");
        let kept = fs::read_to_string(&file).expect("the settings of initdb");
        fs::write(&file, kept + settings).expect("the settings can be changed");
    }

    /// Starts the server; false if another process has its port.
    async fn serve(&self) -> bool {
        let options = format!("-p {}", self.port);
        let log = self.folder.path().join("log");
        let started = as_server(&self.programs.join("pg_ctl"))
            .args(["--wait", "--timeout=60", "--options", &options, "--pgdata"])
            .arg(self.data())
            .arg("--log")
            .arg(log)
            .arg("start")
            // No pipes: they would stay open for as long as the server runs.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("pg_ctl runs");
        let begun = Instant::now();
        while started.success() && begun.elapsed() < PATIENCE {
            if self.is_ready() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }

    fn is_ready(&self) -> bool {
        let asked = Command::new(self.programs.join("pg_isready"))
            .args(["--quiet", "--host=127.0.0.1", "--username=postgres"])
            .arg(format!("--port={}", self.port))
            .status();
        asked.is_ok_and(|status| status.success())
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let done = as_server(&self.programs.join("pg_ctl"))
            .arg("--pgdata")
            .arg(self.data())
            .args(arguments)
            .output();
        let done = done.expect("pg_ctl runs");
        assert!(done.status.success(), "{}", text(&done));
    }

    fn signal_all(&self, signal: Signal) {
        let parent = self.pid().expect("the server is running");
        let mut signalled = Vec::new();
        // Twice: a process may have been started while the others were signalled.
        for _ in 0..2 {
            for pid in [vec![parent], children_of(parent)].concat() {
                if !signalled.contains(&pid) {
                    // A child may have ended in the meantime.
                    let _ = kill_process(pid, signal);
                    signalled.push(pid);
                }
            }
        }
    }

    fn pid(&self) -> Option<Pid> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        Pid::from_raw(file.lines().next()?.trim().parse().ok()?)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            self.thaw();
            let _ = as_server(&self.programs.join("pg_ctl"))
                .arg("--pgdata")
                .arg(self.data())
                .args(["-m", "immediate", "--timeout=10", "stop"])
                .output();
            if test_kill_process(pid).is_ok() {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A folder that the server can access: it does not run as root.
pub(super) fn folder_of_the_server() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for the server");
    if geteuid().is_root() {
        let given = Command::new("chown")
            .arg("postgres")
            .arg(folder.path())
            .status();
        let given = given.is_ok_and(|status| status.success());
        assert!(given, "we are root, and there is no user postgres");
    }
    folder
}

/// A command for a program of the server, run as a user that may run it.
fn as_server(program: &Path) -> Command {
    let mut command = if geteuid().is_root() {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env("LC_ALL", "C").current_dir("/");
    command
}

/// The folder with the programs of the newest installation.
fn programs() -> Option<PathBuf> {
    let found = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<(u32, PathBuf)> = found
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(version, programs)| *version >= 14 && programs.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, programs)| programs)
}

/// Linux only, like the signals for freezing.
fn children_of(parent: Pid) -> Vec<Pid> {
    let file = format!("/proc/{0}/task/{0}/children", parent.as_raw_nonzero());
    let children = fs::read_to_string(file).unwrap_or_default();
    let numbers = children.split_whitespace();
    numbers
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
