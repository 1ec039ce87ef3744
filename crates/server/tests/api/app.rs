//! The service under test: the real application in this process, on throw-away stores, spoken to over
//! real HTTP.

mod patience;

use std::{
    cmp::Reverse,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use authentication_app::{
    caching::Figures,
    ports::{KeySummary, Ticks},
};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use server::{Application, Counters, Overrides, config::Config};
use testkit::{Engine, TestClock, TestDatabase};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    answer::Answer,
    person::{Person, Tokens},
};

/// A node of the service. Clones speak to the same node.
#[derive(Clone)]
pub(crate) struct TestApp {
    inner: Arc<Node>,
    stores: Arc<Stores>,
}

struct Node {
    address: String,
    management: String,
    client: reqwest::Client,
    application: server::Handle,
}

/// What several nodes share.
struct Stores {
    engine: Engine,
    database: TestDatabase,
    redis_prefix: String,
    data_dir: tempfile::TempDir,
    clock: Arc<TestClock>,
    people: AtomicU32,
    /// The addresses of all nodes.
    nodes: Mutex<Vec<String>>,
}

impl TestApp {
    /// One node on stores of its own. Its clock stands still until it is moved; limits by address do not
    /// count the loopback network.
    pub(crate) async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| {}).await
    }

    /// [`Self::start`] with the loopback network counted like any other.
    pub(crate) async fn start_limited(engine: Engine) -> Self {
        Self::start_with(engine, |config| config.protection.exempt_networks.clear()).await
    }

    /// [`Self::start`] with a changed configuration.
    pub(crate) async fn start_with(engine: Engine, change: impl FnOnce(&mut Config)) -> Self {
        Self::node(Stores::new(engine).await, change).await
    }

    /// One node on a machine with these clocks, which it follows the database's time from.
    pub(crate) async fn start_on(engine: Engine, ticks: Box<dyn Ticks>) -> Self {
        Self::machine(Stores::new(engine).await, ticks).await
    }

    /// A second node of the same service, on another machine.
    pub(crate) async fn another_node_on(&self, ticks: Box<dyn Ticks>) -> Self {
        Self::machine(Arc::clone(&self.stores), ticks).await
    }

    /// A second node of the same service, on the same stores.
    pub(crate) async fn another_node(&self) -> Self {
        self.another_node_with(|_| {}).await
    }

    /// [`Self::another_node`] with a changed configuration.
    pub(crate) async fn another_node_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        Self::node(Arc::clone(&self.stores), change).await
    }

    async fn node(stores: Arc<Stores>, change: impl FnOnce(&mut Config)) -> Self {
        let overrides = Overrides {
            clock: Some(stores.clock.clone()),
            ..Overrides::default()
        };
        Self::with_overrides(stores, change, overrides).await
    }

    async fn machine(stores: Arc<Stores>, ticks: Box<dyn Ticks>) -> Self {
        let overrides = Overrides {
            ticks: Some(ticks),
            ..Overrides::default()
        };
        Self::with_overrides(stores, |_| {}, overrides).await
    }

    async fn with_overrides(
        stores: Arc<Stores>,
        change: impl FnOnce(&mut Config),
        overrides: Overrides,
    ) -> Self {
        // What a test that fails has to say for itself, beside its last words.
        testkit::log_capture::show_warnings();
        let mut config = stores.config();
        change(&mut config);
        let application = Application::build(config, overrides)
            .await
            .expect("the service starts");
        let address = format!("http://{}", application.public_address());
        let management = format!("http://{}", application.management_address());
        stores.nodes.lock().unwrap().push(address.clone());
        let node = Node {
            address,
            management,
            // The service has deadlines of its own; this one shows where a test stands that they do not end.
            client: reqwest::Client::builder()
                .timeout(patience::OF_THE_TEST)
                .build()
                .expect("an HTTP client"),
            application: application.spawn(),
        };
        Self {
            inner: Arc::new(node),
            stores,
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.inner.address
    }

    // --- requests

    /// The address of the management listener.
    pub(crate) fn management_address(&self) -> &str {
        &self.inner.management
    }

    /// The folder with the keys, and the database file of the embedded engine is beside it.
    pub(crate) fn data_dir(&self) -> &std::path::Path {
        self.stores.data_dir.path()
    }

    /// The database, for a look at what no route shows.
    pub(crate) fn database(&self) -> &TestDatabase {
        &self.stores.database
    }

    /// The prefix of this service's keys in Redis.
    pub(crate) fn redis_prefix(&self) -> &str {
        &self.stores.redis_prefix
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().expect("a method");
        self.inner
            .client
            .request(method, format!("{}{path}", self.inner.address))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::read(request.send().await.expect("an answer")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub(crate) fn post_request(&self, path: &str, body: &Value) -> RequestBuilder {
        self.request("POST", path).json(body)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.post_request(path, body)).await
    }

    pub(crate) async fn get_as(&self, access_token: &str, path: &str) -> Answer {
        self.send(self.request("GET", path).bearer_auth(access_token))
            .await
    }

    pub(crate) async fn delete_as(&self, access_token: &str, path: &str) -> Answer {
        self.send(self.request("DELETE", path).bearer_auth(access_token))
            .await
    }

    pub(crate) async fn patch_as(&self, access_token: &str, path: &str, body: &Value) -> Answer {
        self.send(
            self.request("PATCH", path)
                .bearer_auth(access_token)
                .json(body),
        )
        .await
    }

    /// Posts as somebody signed in; `Value::Null` sends no body.
    pub(crate) async fn post_as(&self, access_token: &str, path: &str, body: &Value) -> Answer {
        let request = self.request("POST", path).bearer_auth(access_token);
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        self.send(request).await
    }

    /// Tries a code.
    pub(crate) async fn verify(&self, challenge: &str, code: &str) -> Answer {
        let body = json!({"challenge_id": challenge, "code": code});
        self.post("/api/v1/auth/verify-otp", &body).await
    }

    // --- the mailbox

    /// What the mailboxes hold for a recipient now, newest first. A message is in that of the node that sent it, which
    /// may be any one.
    pub(crate) async fn mailbox(&self, to: &str) -> Vec<Value> {
        let nodes = self.stores.nodes.lock().unwrap().clone();
        let mut found = Vec::new();
        for node in nodes {
            let request = self.inner.client.get(format!("{node}/dev/mailbox"));
            // One that was stopped sends nothing any more.
            let Ok(answer) = request.query(&[("to", to)]).send().await else {
                continue;
            };
            // Nor does one that was set up to send nothing.
            if answer.status() == StatusCode::NOT_FOUND {
                continue;
            }
            let mailbox: Value = answer.json().await.expect("a mailbox");
            found.extend(mailbox["items"].as_array().expect("items").clone());
        }
        let sent_at = |item: &Value| {
            let text = item["sent_at"].as_str().expect("a time");
            OffsetDateTime::parse(text, &Rfc3339).expect("a time")
        };
        found.sort_by_key(|item| Reverse(sent_at(item)));
        found
    }

    /// Waits until the recipient has got `count` messages, and hands them over, newest first.
    pub(crate) async fn messages_to(&self, to: &str, count: usize) -> Vec<Value> {
        self.until(&format!("message {count} arrives"), async || {
            self.mailbox(to).await.len() >= count
        })
        .await;
        self.mailbox(to).await
    }

    /// The code in the first message to a recipient.
    pub(crate) async fn code_sent_to(&self, to: &str) -> String {
        self.nth_code_sent_to(to, 1).await
    }

    /// The code in the `count`th message with a code to a recipient.
    pub(crate) async fn nth_code_sent_to(&self, to: &str, count: usize) -> String {
        let messages = self.codes_to(to, count).await;
        let message = &messages[messages.len() - count];
        message["code"].as_str().expect("a code").to_owned()
    }

    /// Waits until the recipient has got `count` messages with codes, and hands those over, newest first.
    pub(crate) async fn codes_to(&self, to: &str, count: usize) -> Vec<Value> {
        let with_codes = async || {
            let mut messages = self.mailbox(to).await;
            messages.retain(|it| !it["code"].is_null());
            messages
        };
        self.until(&format!("code {count} arrives"), async || {
            with_codes().await.len() >= count
        })
        .await;
        with_codes().await
    }

    /// Asks for a new password and sets it by code.
    pub(crate) async fn reset_password(&self, identifier: &str, new: &str) -> Answer {
        let before = self.codes_to(identifier, 0).await.len();
        let body = json!({"identifier": identifier});
        let challenge = self.post("/api/v1/auth/password/reset", &body).await;
        challenge.assert_status(202);
        let code = self.nth_code_sent_to(identifier, before + 1).await;
        let body = json!({
            "challenge_id": challenge.text_of("/challenge_id"), "code": code, "new_password": new,
        });
        self.post("/api/v1/auth/password/reset/confirm", &body)
            .await
    }

    // --- behind the scenes

    /// The time on every node of these stores.
    pub(crate) fn now(&self) -> OffsetDateTime {
        common::Clock::now(self.stores.clock.as_ref())
    }

    /// Moves the clock of every node of these stores.
    pub(crate) fn advance_seconds(&self, seconds: i64) {
        self.advance(time::Duration::seconds(seconds));
    }

    /// The same by any span.
    pub(crate) fn advance(&self, by: time::Duration) {
        self.stores.clock.advance(by);
    }

    /// The keys that this node uses, without the keys.
    pub(crate) fn keys(&self) -> Vec<KeySummary> {
        self.inner.application.keys()
    }

    /// How many changed rings this node refused.
    pub(crate) fn refused_rings(&self) -> u64 {
        self.inner.application.refused_rings()
    }

    /// What this node has counted so far.
    pub(crate) fn counters(&self) -> Counters {
        self.inner.application.counters()
    }

    /// How each cache of this node did so far.
    pub(crate) fn caches(&self) -> Vec<Figures> {
        self.inner.application.caches()
    }

    /// Rows of a table.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.stores.database.count(table).await
    }

    /// Outcomes of all audit entries of an action, oldest first.
    pub(crate) async fn audit_outcomes(&self, action: &str) -> Vec<String> {
        let sql = format!(
            "SELECT outcome FROM audit_entries WHERE action = '{action}' ORDER BY occurred_at, id"
        );
        self.texts(&sql).await
    }

    /// Types of all events in the outbox, in order.
    pub(crate) async fn event_types(&self) -> Vec<String> {
        let sql = "SELECT event_type FROM outbox_events ORDER BY sequence";
        self.texts(sql).await
    }

    /// The texts that a statement finds.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.stores.database.rows(sql).await;
        rows.iter()
            .map(|row| row.try_get_by_index(0).expect("a text"))
            .collect()
    }

    /// Puts an account into a state that no route of this stage leads to, as staff will.
    pub(crate) async fn set_account_status(&self, account: &str, status: &str) {
        self.set_of_account(account, &format!("status = '{status}', status_since = 1"))
            .await;
    }

    /// Gives an account a role that no route of this stage gives.
    pub(crate) async fn give_role(&self, account: &str, role: &str) {
        self.set_of_account(account, &format!("roles = '{role}'"))
            .await;
    }

    async fn set_of_account(&self, account: &str, what: &str) {
        let id = account.replace('-', "");
        let row = match self.stores.engine {
            Engine::Embedded => format!("hex(id) = '{}'", id.to_uppercase()),
            Engine::Production => format!("id = '{id}'"),
        };
        let sql = format!("UPDATE accounts SET {what} WHERE {row}");
        self.stores.database.execute(&sql).await;
    }

    /// A theft has ended the session: its tokens are dead, and it is on record.
    pub(crate) async fn assert_session_is_dead(&self, person: &Person, newest: &Tokens) {
        self.me(&newest.access)
            .await
            .assert_problem(401, "invalid_token");
        self.refresh(&newest.refresh)
            .await
            .assert_problem(401, "invalid_refresh_token");
        let outcomes = self.audit_outcomes("session.refresh_reuse").await;
        assert_eq!(outcomes, ["refresh_token_reused"]);
        let events = self.event_types().await;
        let reused = "com.fashionistar.auth.session.refresh_reused.v1";
        assert_eq!(
            events.iter().filter(|it| *it == reused).count(),
            1,
            "{events:?}"
        );
        self.message_with(&person.identifier, "copy of one of your sessions")
            .await;
    }

    pub(crate) fn next_number(&self) -> u32 {
        self.stores.people.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Stores {
    async fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self {
            engine,
            database: TestDatabase::start(engine).await,
            redis_prefix: format!("{}:", testkit::unique_name()),
            data_dir: tempfile::tempdir().expect("a data folder"),
            clock: Arc::new(TestClock::default()),
            people: AtomicU32::new(0),
            nodes: Mutex::default(),
        })
    }

    fn config(&self) -> Config {
        let mut config = Config::for_tests(self.data_dir.path());
        // The same for every node, whatever port it got.
        config.http.public_url = Some("https://auth.example.com".parse().expect("a URL"));
        // As many as a race of fifty needs: what happens beyond is the hasher's own test.
        config.passwords.queue = 256;
        // A test run saturates the machine; how long a store may take is the store's own test. All the same it
        // gives up before the test does, so that what hangs is in the log.
        config.database.acquire_timeout = patience::OF_THE_STORE;
        config.database.statement_timeout = patience::OF_THE_STORE;
        config.http.request_deadline = patience::OF_THE_SERVICE;
        config.database.url = Some(self.database.url().to_owned().into());
        if self.engine == Engine::Production {
            config.redis.url = Some(testkit::redis_url().into());
            config.redis.key_prefix.clone_from(&self.redis_prefix);
        }
        config
    }
}

/// A code that is not this one.
pub(crate) fn wrong_code(code: &str) -> String {
    let number: u32 = code.parse().expect("digits");
    format!("{:06}", (number + 1) % 1_000_000)
}
