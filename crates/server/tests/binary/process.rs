//! The built binary as a child process.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longest that anything which follows by itself is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary with only these settings, the prefix of their variables left out.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fashionistar-auth"));
    command.env_clear();
    // Where an instrumented binary writes what it executed (deploy/coverage.sh).
    let profile = std::env::var_os("LLVM_PROFILE_FILE");
    command.envs(profile.map(|file| ("LLVM_PROFILE_FILE", file)));
    for (name, value) in settings {
        command.env(format!("FASHIONISTAR_AUTH__{name}"), value);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    command(settings)
        .args(arguments)
        .output()
        .expect("the binary runs")
}

/// What it said on standard error.
pub(crate) fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// What it said on standard output.
pub(crate) fn result(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// What a listener of a running service answers, head and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path}"), "", "")
}

/// The same to the holder of an access token.
pub(crate) fn get_as(address: SocketAddr, path: &str, token: &str) -> String {
    exchange(address, &format!("GET {path}"), &bearer(token), "")
}

/// What it answers to JSON that is posted.
pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> String {
    exchange(
        address,
        &format!("POST {path}"),
        "Content-Type: application/json\r\n",
        body,
    )
}

/// What it answers to the holder of an access token who posts nothing.
pub(crate) fn post_as(address: SocketAddr, path: &str, token: &str) -> String {
    exchange(address, &format!("POST {path}"), &bearer(token), "")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn exchange(address: SocketAddr, line: &str, headers: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("a connection");
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    );
    connection
        .write_all(request.as_bytes())
        .expect("the request goes out");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("UTF-8");
    answer
}

/// A service that runs until it is told to end, with JSON lines for a log. It is killed when dropped.
pub(crate) struct Service {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<Value>,
    pub(crate) public: SocketAddr,
    pub(crate) management: SocketAddr,
}

impl Service {
    /// Starts on free ports with everything inside `data_dir`, and waits until it is ready.
    pub(crate) fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        Self::run(command(settings), data_dir)
    }

    /// The same of a command that the caller made from [`command`].
    pub(crate) fn run(mut command: Command, data_dir: &Path) -> Self {
        let mut child = command
            .env("FASHIONISTAR_AUTH__DATA_DIR", data_dir)
            .env("FASHIONISTAR_AUTH__HTTP__LISTEN", "127.0.0.1:0")
            .env("FASHIONISTAR_AUTH__MANAGEMENT__LISTEN", "127.0.0.1:0")
            .env("FASHIONISTAR_AUTH__TELEMETRY__LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("standard error"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut service = Self {
            child,
            lines,
            seen: Vec::new(),
            public: nowhere,
            management: nowhere,
        };
        let ready = service.wait_for("ready");
        let address = |name: &str| ready[name].as_str().unwrap().parse().unwrap();
        service.public = address("public");
        service.management = address("management");
        service
    }

    /// Its id as a process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The next line of the log with this message. Every line on the way has to be JSON.
    pub(crate) fn wait_for(&mut self, message: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {message:?} in {:#?}", self.seen));
            let line: Value =
                serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            self.seen.push(line.clone());
            if line["message"] == message {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the signal is sent");
    }

    /// Waits for the end: how it ended, all that was logged, and what stands on standard output.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<Value>, String) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            let line = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
            self.seen.push(line);
        }
        let status = self.child.wait().expect("it ended");
        let mut stdout = String::new();
        let mut pipe = self.child.stdout.take().expect("standard output");
        pipe.read_to_string(&mut stdout).expect("UTF-8");
        (status, std::mem::take(&mut self.seen), stdout)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
