//! A log that nobody takes, and what it says when somebody does.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::process::{command, get};

/// Where a service listens that says nothing: its log is not read.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

struct Stalled {
    child: Child,
    public: SocketAddr,
    management: SocketAddr,
}

impl Stalled {
    /// With JSON lines on a pipe that is not read, or wherever `stderr` leads.
    fn start(folder: &Path, stderr: Stdio, settings: &[(&str, &str)]) -> Self {
        let (public, management) = (free_address(), free_address());
        let child = command(settings)
            .env("FASHIONISTAR_AUTH__DATA_DIR", folder)
            .env("FASHIONISTAR_AUTH__HTTP__LISTEN", public.to_string())
            .env(
                "FASHIONISTAR_AUTH__MANAGEMENT__LISTEN",
                management.to_string(),
            )
            .env("FASHIONISTAR_AUTH__TELEMETRY__LOG_FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let service = Self {
            child,
            public,
            management,
        };
        let began = Instant::now();
        while TcpStream::connect(management).is_err()
            || !get(management, "/health/ready").contains(" 200 ")
        {
            assert!(began.elapsed() < Duration::from_secs(30), "it is not ready");
            thread::yield_now();
        }
        service
    }

    /// Asks for what is refused, with a line in the log for each. All are answered.
    fn refuse(&self, times: u32) {
        let mut connection = TcpStream::connect(self.public).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut answers = BufReader::new(connection.try_clone().unwrap());
        for number in 0..times {
            connection
                .write_all(b"GET /api/v1/nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .unwrap();
            let (mut head, mut length) = (String::new(), 0);
            answers
                .read_line(&mut head)
                .unwrap_or_else(|_| panic!("no answer to request {number}"));
            assert!(head.starts_with("HTTP/1.1 404"), "{head}");
            while head != "\r\n" {
                head.clear();
                answers.read_line(&mut head).unwrap();
                if let Some(value) = head.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            answers.read_exact(&mut vec![0; length]).unwrap();
        }
    }

    fn dropped(&self) -> u64 {
        let metrics = get(self.management, "/metrics");
        let line = metrics
            .lines()
            .find(|line| line.starts_with("auth_log_lines_dropped_total"));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// It ends by itself: a test that waits for one that does not is killed by the test runner.
    fn ends(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stderr: ChildStderr) -> impl Iterator<Item = Value> {
    BufReader::new(stderr)
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).expect("a whole line of JSON"))
}

/// 64 KiB of a pipe and 1 MiB of our own are some three thousand lines.
const MANY: u32 = 5_000;

#[test]
fn a_log_that_nobody_reads_stops_neither_the_service_nor_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let service = Stalled::start(folder.path(), Stdio::piped(), &[]);
    service.refuse(MANY);
    let dropped = service.dropped();
    assert!(dropped > 0 && dropped < u64::from(MANY), "{dropped}");
    service.ends();
}

#[test]
fn a_log_that_is_read_again_says_how_much_of_it_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut service = Stalled::start(folder.path(), Stdio::piped(), &[]);
    service.refuse(MANY);
    let missing = service.dropped();
    let mut lines = lines_of(service.child.stderr.take().unwrap());
    let told = lines.find(|line| {
        line["message"] == "log lines were dropped, because they could not be written"
    });
    assert_eq!(told.unwrap()["lines"], missing);
    thread::spawn(move || lines.for_each(drop));
    service.ends();
}

#[test]
fn a_log_on_a_full_disk_and_a_collector_that_hangs_stop_neither() {
    let folder = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hangs.local_addr().unwrap());
    let settings = [("TELEMETRY__OTLP_ENDPOINT", endpoint.as_str())];
    let service = Stalled::start(folder.path(), full.into(), &settings);
    service.refuse(100);
    assert!(service.dropped() >= 100);
    service.ends();
}

/// What is wrong is said, also when the log does not take it any more.
#[test]
fn a_start_that_fails_says_why_and_waits_for_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["json", "text"] {
        let settings = [
            ("TELEMETRY__LOG_FORMAT", format),
            (
                "DATABASE__URL",
                "postgres://somebody:secret@nowhere.invalid/auth",
            ),
        ];
        let output = command(&settings)
            .env("FASHIONISTAR_AUTH__DATA_DIR", folder.path())
            .env("FASHIONISTAR_AUTH__HTTP__LISTEN", "127.0.0.1:0")
            .env("FASHIONISTAR_AUTH__MANAGEMENT__LISTEN", "127.0.0.1:0")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("the name of the database's host does not resolve"),
            "{said}"
        );
        assert!(!said.contains("secret"), "{said}");
    }
}
