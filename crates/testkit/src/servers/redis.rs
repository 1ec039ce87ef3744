//! A Redis that one test may stop, empty and freeze.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{Certificate, free_port};

/// How long the server may take to start, and to answer a command of ours.
const PATIENCE: Duration = Duration::from_secs(20);

/// A `redis-server` on a free port of loopback, gone when this is dropped.
///
/// The binary comes from the `PATH`. The port stays the same over stops and starts, as it does for a
/// service that is configured with one.
pub struct RedisServer {
    port: u16,
    tls_port: Option<u16>,
    folder: TempDir,
    more: Vec<OsString>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no `redis-server`, or it does not serve.
    pub async fn start() -> Self {
        Self::start_with(free_port, |_, _| Vec::new()).await
    }

    /// Starts one with more on its command line, which may name its folder and its port. What stands there first may
    /// be a file of settings.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub(super) async fn start_with(
        choose_port: impl Fn() -> u16,
        more: impl Fn(&Path, u16) -> Vec<OsString>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        for _ in 0..5 {
            let port = choose_port();
            let more = more(folder.path(), port);
            // Another process may take the port between the choice and the start; the server ends then.
            if let Some(child) = serve(port, folder.path(), &more).await {
                return Self {
                    port,
                    tls_port: None,
                    folder,
                    more,
                    child: Some(child),
                };
            }
        }
        panic!("redis-server ended five times in a row, each on another port");
    }

    /// Starts one that speaks TLS too, on a port beside, with this certificate.
    ///
    /// # Panics
    /// As [`Self::start`].
    pub async fn start_with_tls(certificate: &Certificate) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        for _ in 0..5 {
            let (port, tls_port) = (free_port(), free_port());
            let number = tls_port.to_string();
            let tls: [&OsStr; 8] = [
                "--tls-port".as_ref(),
                number.as_ref(),
                "--tls-cert-file".as_ref(),
                certificate.chain.as_ref(),
                "--tls-key-file".as_ref(),
                certificate.key.as_ref(),
                "--tls-auth-clients".as_ref(),
                "no".as_ref(),
            ];
            let more: Vec<OsString> = tls.into_iter().map(OsString::from).collect();
            if let Some(child) = serve(port, folder.path(), &more).await {
                return Self {
                    port,
                    tls_port: Some(tls_port),
                    folder,
                    more,
                    child: Some(child),
                };
            }
        }
        panic!("redis-server ended five times in a row, each on other ports");
    }

    /// The port on loopback: that of TLS, if it speaks it.
    pub fn port(&self) -> u16 {
        self.tls_port.unwrap_or(self.port)
    }

    /// Asks whoever comes from here on for this password.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn require_password(&self, password: &str) {
        self.send(&format!("CONFIG SET requirepass {password}"))
            .expect("the server answers");
    }

    /// Where it is, whether it runs or not.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Stops it. What it knows is there again after [`Self::restart`].
    pub fn stop(&mut self) {
        // The connection ends without an answer when the server does.
        let _ = self.send("SHUTDOWN SAVE");
        self.reap();
    }

    /// Ends it as a crash does: what it knew is lost.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().expect("the server can be killed");
        }
        self.reap();
        // From an earlier stop.
        let _ = std::fs::remove_file(self.folder.path().join("dump.rdb"));
    }

    /// Starts it again where it was.
    ///
    /// # Panics
    /// When it does not serve.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "the server is running");
        self.child = serve(self.port, self.folder.path(), &self.more).await;
        assert!(
            self.child.is_some(),
            "redis-server does not start on its port again"
        );
    }

    /// Lets the system take connections and commands for it, and nobody answer, until [`Self::thaw`].
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Cuts every connection of the kind that `CLIENT KILL TYPE` names; they may come again.
    pub fn cut(&self, kind: &str) {
        self.send(&format!("CLIENT KILL TYPE {kind} SKIPME yes"))
            .expect("the server answers");
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server is running");
        kill_process(Pid::from_child(child), signal).expect("a child of ours takes a signal");
    }

    /// Gives an order that it takes (`CONFIG SET …`).
    ///
    /// # Panics
    /// When it does not.
    pub fn order(&self, command: &str) {
        let answer = self.send(command).expect("the server answers");
        assert_eq!(answer, "+OK\r\n", "{command}");
    }

    /// A number that it tells of itself (`INFO`).
    ///
    /// # Panics
    /// When it does not.
    pub fn figure(&self, section: &str, name: &str) -> u64 {
        let answer = self
            .send(&format!("INFO {section}"))
            .expect("the server answers");
        let mut lines = answer.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = value.and_then(|value| value.parse().ok());
        number.unwrap_or_else(|| panic!("no number {name} in {answer}"))
    }

    /// What it answers to an inline command, as it comes.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&self, command: &str) -> String {
        self.send(command).expect("the server answers")
    }

    fn send(&self, command: &str) -> io::Result<String> {
        ask(self.port, command)
    }

    fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.wait().expect("the server ends");
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; there is nobody to tell.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server that answers; `None` when it ended instead.
async fn serve(port: u16, folder: &Path, more: &[OsString]) -> Option<Child> {
    let (file, more) = match more.split_first() {
        Some((first, rest)) if !first.to_string_lossy().starts_with("--") => (Some(first), rest),
        _ => (None, more),
    };
    let mut child = Command::new("redis-server")
        .args(file)
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .arg("--dir")
        .arg(folder)
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("redis-server ({error}): install redis-server or run ./deploy/test.sh")
        });
    let started = Instant::now();
    while child.try_wait().expect("a child of ours").is_none() {
        let pid = format!("process_id:{}\r\n", child.id());
        // The pid too: what answers on the port may be somebody else's.
        let serves = |answer: String| answer.contains(&pid) || answer.starts_with("-NOAUTH");
        if ask(port, "INFO server").is_ok_and(serves) {
            return Some(child);
        }
        assert!(
            started.elapsed() < PATIENCE,
            "redis-server does not answer on port {port}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    None
}

/// Sends one inline command and gives what comes first in answer.
fn ask(port: u16, command: &str) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = vec![0; 16 * 1024];
    let length = connection.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_it_knows_survives_a_stop_and_not_a_crash() {
        let mut server = RedisServer::start().await;
        server.send("SET key value").unwrap();
        server.stop();
        assert!(server.send("GET key").is_err());
        server.restart().await;
        assert_eq!(server.send("GET key").unwrap(), "$5\r\nvalue\r\n");
        server.kill();
        server.restart().await;
        assert_eq!(server.send("GET key").unwrap(), "$-1\r\n");
    }
}
