//! A real mail server (aiosmtpd) that records mails, and misbehaves on demand.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::python;

const SCRIPT: &str = include_str!("mail_server.py");
/// How long to wait for an event of the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// How clients connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// In clear; the server does not support TLS.
    None,
    /// In clear until STARTTLS, which is required.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// A mail as the server received it.
#[derive(Debug, Clone)]
pub struct ReceivedMail {
    /// The name in the client's EHLO.
    pub hello: String,
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// Whether it came over TLS.
    pub encrypted: bool,
    /// The user that the client authenticated as.
    pub user: Option<String>,
    /// Headers and body.
    pub text: String,
}

impl ReceivedMail {
    /// The value of a header that occurs exactly once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next()?;
        let mut values = head.lines().filter_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The six-digit code in the plain text.
    pub fn code(&self) -> String {
        let digits = |word: &str| word.len() == 6 && word.bytes().all(|it| it.is_ascii_digit());
        let code = self.text.split_whitespace().find(|word| digits(word));
        code.unwrap_or_else(|| panic!("no code in {}", self.text))
            .to_owned()
    }
}

/// The server. It ends when this is dropped.
pub struct MailServer {
    port: u16,
    folder: TempDir,
    child: Child,
    orders: ChildStdin,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    events: Mutex<Vec<Value>>,
    more: Condvar,
}

impl MailServer {
    /// A server that accepts mail from every client.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(tls: MailTls) -> Self {
        Self::start_with(tls, None)
    }

    /// A server that accepts mail only from this user with this password.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_for(tls: MailTls, user: &str, password: &str) -> Self {
        Self::start_with(tls, Some((user, password)))
    }

    fn start_with(tls: MailTls, credentials: Option<(&str, &str)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder for certificates");
        let kind = match tls {
            MailTls::None => "none",
            MailTls::StartTls => "starttls",
            MailTls::Implicit => "tls",
        };
        let mut command = Command::new(python());
        command.args(["-c", SCRIPT, kind]).arg(folder.path());
        if let Some((user, password)) = credentials {
            command.args([user, password]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Python starts");
        let orders = child.stdin.take().expect("standard input");
        let output = BufReader::new(child.stdout.take().expect("standard output"));
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard);
        // The thread ends with the server.
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("JSON");
                listener.events.lock().expect("events").push(event);
                listener.more.notify_all();
            }
        });
        let ready = heard.wait_for("ready", 1);
        let port = ready.first().and_then(|event| event["port"].as_u64());
        Self {
            port: port.and_then(|port| port.try_into().ok()).expect("a port"),
            folder,
            child,
            orders,
            heard,
        }
    }

    /// The port on `localhost`.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The authority that issued the server's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// An authority that did not issue it.
    pub fn other_ca_file(&self) -> PathBuf {
        self.folder.path().join("other-ca.pem")
    }

    /// How to treat the next mail: `connect 421`, `mail 450`, `rcpt 550`, `data 451` (refuse it at that command),
    /// `drop` (accept it and close without an answer), `hang` (accept it and answer once released); `hang-early` and
    /// `drop-early` do so before it is accepted.
    pub fn order(&mut self, order: &str) {
        let ordered = self.heard.named("ordered").len();
        writeln!(self.orders, "{order}").expect("the server runs");
        self.heard.wait_for("ordered", ordered + 1);
    }

    /// Answers all mails that hang.
    pub fn release(&mut self) {
        self.order("release");
    }

    /// The mails received so far.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        mails_of(&self.heard.named("mail"))
    }

    /// Waits until `count` mails were received.
    pub fn wait_for_mails(&self, count: usize) -> Vec<ReceivedMail> {
        mails_of(&self.heard.wait_for("mail", count))
    }

    /// Waits until `count` mails were refused.
    pub fn wait_for_refusals(&self, count: usize) {
        self.heard.wait_for("refused", count);
    }

    /// The number of mails refused so far.
    pub fn refusals(&self) -> usize {
        self.heard.named("refused").len()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        // The server may have ended already; errors while dropping cannot be reported.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Heard {
    fn named(&self, name: &str) -> Vec<Value> {
        of_name(&self.events.lock().expect("events"), name)
    }

    fn wait_for(&self, name: &str, count: usize) -> Vec<Value> {
        let events = self.events.lock().expect("events");
        let (events, waited) = self
            .more
            .wait_timeout_while(events, PATIENCE, |events| {
                of_name(events, name).len() < count
            })
            .expect("events");
        assert!(
            !waited.timed_out(),
            "waited in vain for {count} x {name}: {events:?}"
        );
        of_name(&events, name)
    }
}

fn of_name(events: &[Value], name: &str) -> Vec<Value> {
    let of_name = events.iter().filter(|event| event["event"] == name);
    of_name.cloned().collect()
}

fn mails_of(events: &[Value]) -> Vec<ReceivedMail> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    events
        .iter()
        .map(|event| ReceivedMail {
            hello: text(&event["hello"]),
            from: text(&event["sender"]),
            to: event["to"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect(),
            encrypted: event["encrypted"] == true,
            user: event["user"].as_str().map(ToOwned::to_owned),
            text: text(&event["text"]),
        })
        .collect()
}
