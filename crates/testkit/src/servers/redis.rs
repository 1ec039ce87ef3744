//! A Redis server that one test may stop, empty and freeze.

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

/// Time limit for the start of the server, and for its answer to a command.
const PATIENCE: Duration = Duration::from_secs(20);

/// A `redis-server` on a free port of loopback. It ends when this is dropped.
///
/// The binary is found in the `PATH`. The port stays the same after a restart, as it does for a service with a
/// configured port.
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
    /// When there is no `redis-server`, or it does not start.
    pub async fn start() -> Self {
        Self::start_with(free_port, |_, _| Vec::new()).await
    }

    /// Starts one with more arguments, which may contain its folder and its port. The first argument may be a
    /// configuration file.
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
            // Another process may take the port between the choice and the start; the server ends in that case.
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

    /// Starts one that also accepts TLS, on a second port, with this certificate.
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

    /// The port on loopback: that for TLS, if there is one.
    pub fn port(&self) -> u16 {
        self.tls_port.unwrap_or(self.port)
    }

    /// Requires this password from new connections.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn require_password(&self, password: &str) {
        self.send(&format!("CONFIG SET requirepass {password}"))
            .expect("the server answers");
    }

    /// The URL, whether the server runs or not.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Stops it. Its data are restored by [`Self::restart`].
    pub fn stop(&mut self) {
        // The server closes the connection without an answer.
        let _ = self.send("SHUTDOWN SAVE");
        self.reap();
    }

    /// Stops it as in a crash: its data are lost.
    pub fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().expect("the server can be killed");
        }
        self.reap();
        // Written by an earlier stop.
        let _ = std::fs::remove_file(self.folder.path().join("dump.rdb"));
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none(), "the server is running");
        self.child = serve(self.port, self.folder.path(), &self.more).await;
        assert!(
            self.child.is_some(),
            "redis-server does not start on its port again"
        );
    }

    /// Freezes the server until [`Self::thaw`]: the operating system still accepts connections and commands, but the
    /// server does not answer.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Closes every connection of a type of `CLIENT KILL TYPE`; clients may reconnect.
    pub fn cut(&self, kind: &str) {
        self.send(&format!("CLIENT KILL TYPE {kind} SKIPME yes"))
            .expect("the server answers");
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the server is running");
        kill_process(Pid::from_child(child), signal).expect("a child of ours takes a signal");
    }

    /// Executes a command that answers `+OK` (`CONFIG SET …`).
    ///
    /// # Panics
    /// When it answers something else.
    pub fn order(&self, command: &str) {
        let answer = self.send(command).expect("the server answers");
        assert_eq!(answer, "+OK\r\n", "{command}");
    }

    /// A number in a section of `INFO`.
    ///
    /// # Panics
    /// When the answer does not contain it.
    pub fn figure(&self, section: &str, name: &str) -> u64 {
        let answer = self
            .send(&format!("INFO {section}"))
            .expect("the server answers");
        let mut lines = answer.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = value.and_then(|value| value.parse().ok());
        number.unwrap_or_else(|| panic!("no number {name} in {answer}"))
    }

    /// The raw answer to an inline command.
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
            // The server may have ended already; errors while dropping cannot be reported.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a server and waits until it answers; `None` if it ended instead.
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
        // The process id is compared too: another server may answer on this port.
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

/// Sends one inline command and returns the first part of the answer.
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
