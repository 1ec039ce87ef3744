//! A real OpenID provider (npm: `oidc-provider`), in place of Google.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::node_modules;

const SCRIPT: &str = include_str!("openid_provider.mjs");
/// How long to wait for an event of the provider.
const PATIENCE: Duration = Duration::from_secs(30);

/// The provider. It ends when this is dropped. It signs with RS256, and has three clients: `site`, with a secret and
/// the redirect URIs given to [`Self::start`]; `app`, without a secret; and `stranger`.
pub struct OpenIdProviderServer {
    issuer: String,
    child: Child,
    orders: ChildStdin,
    heard: Arc<Heard>,
    _script: NamedTempFile,
}

#[derive(Default)]
struct Heard {
    events: Mutex<Vec<Value>>,
    more: Condvar,
}

impl OpenIdProviderServer {
    /// The secret of the client `site`.
    pub const SECRET: &'static str = "secret-of-the-site";

    /// Starts the provider.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(redirect_uris: &[&str]) -> Self {
        let modules = node_modules();
        let folder = Path::new(&modules).parent().expect("the folder above");
        // In the folder of the packages, where Node looks for them.
        let script = tempfile::Builder::new()
            .prefix("openid-provider-")
            .suffix(".mjs")
            .tempfile_in(folder)
            .expect("a place for the script");
        std::fs::write(script.path(), SCRIPT).expect("the script is written");
        let mut child = Command::new("node")
            .arg(script.path())
            .arg(json!(redirect_uris).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Node starts");
        let orders = child.stdin.take().expect("standard input");
        let output = BufReader::new(child.stdout.take().expect("standard output"));
        let heard = Arc::new(Heard::default());
        let listener = Arc::clone(&heard);
        // The thread ends with the provider.
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The library prints notices of its own.
                let Ok(event) = serde_json::from_str(&line) else {
                    continue;
                };
                listener.events.lock().expect("events").push(event);
                listener.more.notify_all();
            }
        });
        let ready = heard.wait_for("ready", 1);
        let issuer = ready[0]["issuer"].as_str().expect("an issuer").to_owned();
        Self {
            issuer,
            child,
            orders,
            heard,
            _script: script,
        }
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Sets who signs in from now on: `sub` and the other claims.
    pub fn welcome(&mut self, person: &Value) {
        self.order(&json!({ "person": person }));
    }

    /// Signs with a new key from now on, without an interruption.
    pub fn rotate_key(&mut self) {
        self.order(&json!({"rotate": true}));
    }

    /// Whether requests are answered from now on. Otherwise it closes connections without an answer.
    pub fn be_well(&mut self, well: bool) {
        self.order(&json!({ "well": well }));
    }

    /// The number of codes for which it issued an ID token.
    pub fn grants(&self) -> usize {
        self.heard.named("grant").len()
    }

    /// The number of requests to a path so far.
    pub fn requests_to(&self, path: &str) -> usize {
        let requests = self.heard.named("request");
        requests.iter().filter(|it| it["path"] == path).count()
    }

    fn order(&mut self, order: &Value) {
        let ordered = self.heard.named("ordered").len();
        writeln!(self.orders, "{order}").expect("the provider runs");
        self.heard.wait_for("ordered", ordered + 1);
    }
}

impl Drop for OpenIdProviderServer {
    fn drop(&mut self) {
        // The provider may have ended already; errors while dropping cannot be reported.
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
