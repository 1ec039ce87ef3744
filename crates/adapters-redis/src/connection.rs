//! The connection of a node to Redis, additional connections for threads that profit from one, and a circuit breaker in
//! front of all of them.
//!
//! ```text
//!           a call fails                          pause has passed
//! Closed ─────────────────▶ Open (calls fail at ◀───────────────────┐
//!   ▲                       once, none waits)   ────────────────────┤
//!   │ connect and write succeed     │ a task tries                  │ attempt fails
//!   └───────────────────────────────┴───────────────────────────────┘
//! ```
//!
//! So a frozen server delays only the calls that are in flight, by one response time-out, and no call after them. A
//! server that answers and refuses (out of memory, read-only, missing rights) is treated like an unreachable one:
//! after an outage the circuit closes only when a script that writes has succeeded, as the callers' scripts do. An
//! answer alone is not enough.
//!
//! Every attempt looks the server up again (`servers`), so a fail-over is an outage that ends at another address. A
//! slot of a Cluster that moved is no outage: the call follows it to its new node.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use authentication_app::ports::CacheError;
use deadpool_redis::redis::{
    Client, Cmd, FromRedisValue, RedisError, RedisResult, ScriptInvocation, Value,
    aio::{MultiplexedConnection, PubSub},
    cmd,
};
use tokio::time::{Instant, timeout};

use crate::{
    back_off::pause,
    config::{InvalidRedisConfig, RedisConfig, live_together},
    health::Listening,
    keys::Keys,
    line::{Ask, Circuit, Failure, Line, Proof},
    near::{Found, NearConnections},
    reason::{Reason, is_about_the_call, is_refusal, moved_to, no_answer},
    servers::{Opened, Servers, address_of},
    ticking::BeginLoad,
};

/// A refused call triggers a check whether all calls are refused, at most this often.
const DOUBTED_EVERY: Duration = Duration::from_secs(1);

/// A connection that all callers share and that reconnects automatically. Clones share the same connection.
///
/// It is multiplexed: commands of many callers are in flight at the same time, so there is no pool to wait for and no
/// ping before a call. A thread with its own runtime gets its own connection to the same server (`near`).
#[derive(Clone)]
pub struct RedisConnection {
    shared: Arc<Shared>,
}

struct Shared {
    servers: Servers,
    keys: Keys,
    connect_timeout: Duration,
    response_timeout: Duration,
    heartbeat: Duration,
    circuit: Mutex<Circuit>,
    lines: AtomicU64,
    near: NearConnections,
    proof: Proof,
    /// Held while a call follows a moved slot, so that concurrent calls follow it only once.
    following: tokio::sync::Mutex<()>,
    listening: Mutex<Listening>,
}

impl RedisConnection {
    /// Tries to connect once. An unreachable server is no error: calls fail until it can be reached.
    ///
    /// # Errors
    /// [`InvalidRedisConfig`].
    pub async fn connect(config: &RedisConfig) -> Result<Self, InvalidRedisConfig> {
        let keys = Keys::new(&config.key_prefix);
        let connection = Self {
            shared: Arc::new(Shared {
                servers: Servers::new(config, keys.clock())?,
                keys,
                connect_timeout: config.connect_timeout,
                response_timeout: config.response_timeout,
                heartbeat: config.heartbeat.max(Duration::from_millis(1)),
                circuit: Mutex::new(Circuit::at_the_start()),
                lines: AtomicU64::new(0),
                near: NearConnections::default(),
                proof: Proof::Load(BeginLoad::new()),
                following: tokio::sync::Mutex::default(),
                listening: Mutex::default(),
            }),
        };
        // A failure is logged. Nothing is written yet, so that a process that only inspects Redis writes nothing at
        // all.
        let opened = connection.shared.servers.open().await;
        connection.note(opened, 0);
        Ok(connection)
    }

    /// The connection for a key whose name an operator chose. On a Cluster that key may be on a different node than all
    /// others; this opens a separate connection to that node on first use.
    pub(crate) fn of_key(&self, key: &str) -> Self {
        let shared = &self.shared;
        if !shared.servers.is_cluster() || live_together(key, &shared.keys.clock()) {
            return self.clone();
        }
        Self {
            shared: Arc::new(Shared {
                servers: shared.servers.of_key(key.to_owned()),
                keys: shared.keys.clone(),
                connect_timeout: shared.connect_timeout,
                response_timeout: shared.response_timeout,
                heartbeat: shared.heartbeat,
                circuit: Mutex::new(Circuit::at_the_start()),
                lines: AtomicU64::new(0),
                near: NearConnections::default(),
                proof: Proof::Key(key.to_owned()),
                following: tokio::sync::Mutex::default(),
                listening: Mutex::default(),
            }),
        }
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.shared.servers
    }

    /// Host and port of the server in use; `None` while there is no connection.
    pub fn address(&self) -> Option<String> {
        let (host, port) = address_of(self.client()?.get_connection_info())?;
        Some(format!("{host}:{port}"))
    }

    /// How many connections there have been in succession. Writes that an earlier one confirmed may be lost: after a
    /// fail-over the new primary may lack the latest writes of its predecessor.
    pub(crate) fn lines(&self) -> u64 {
        self.shared.lines.load(Ordering::Relaxed)
    }

    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, CacheError> {
        self.call(Ask::Script(script)).await.map_err(|_| CacheError)
    }

    pub(crate) async fn publish(&self, channel: &str, message: &str) -> Result<(), Failure> {
        let mut publish = cmd("PUBLISH");
        self.call(Ask::Command(publish.arg(channel).arg(message)))
            .await
    }

    /// Runs one command and discards its answer.
    pub(crate) async fn command(&self, command: &Cmd) -> Result<(), CacheError> {
        self.call(Ask::Command(command))
            .await
            .map_err(|_| CacheError)
    }

    /// Opens a separate connection that subscribes to a channel, at the server in use or, with `anew`, at a server that
    /// is looked up again.
    pub(crate) async fn listen(&self, channel: &str, anew: bool) -> Result<PubSub, String> {
        let listening = async {
            let client = match self.client().filter(|_| !anew) {
                Some(client) => client,
                None => self.shared.servers.open().await?.client,
            };
            let mut listener = client.get_async_pubsub().await?;
            listener.subscribe(channel).await?;
            Ok(listener)
        };
        let longest = self.shared.servers.longest() + self.shared.connect_timeout;
        let listener = timeout(longest, listening).await;
        listener
            .unwrap_or_else(|_| Err(no_answer()))
            .map_err(|error: RedisError| Reason(&error).to_string())
    }

    pub(crate) fn response_timeout(&self) -> Duration {
        self.shared.response_timeout
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        self.shared.heartbeat
    }

    pub(crate) fn listening(&self) -> MutexGuard<'_, Listening> {
        let listening = self.shared.listening.lock();
        listening.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether calls fail at once and no attempt to reconnect is due yet.
    pub(crate) fn is_away(&self) -> bool {
        matches!(&*self.circuit(), Circuit::Open { next_try, .. } if Instant::now() < *next_try)
    }

    /// Why there is no connection; `None` while there is one.
    pub(crate) fn why_away(&self) -> Option<String> {
        match &*self.circuit() {
            Circuit::Open { reason, .. } => Some(reason.clone()),
            Circuit::Closed { .. } => None,
        }
    }

    /// Whether the sentinels name a different primary than the one in use. The old primary may still answer: if it is
    /// cut off from the sentinels, it does not know yet that it was replaced. From then on the new primary is used.
    pub(crate) async fn has_another_primary(&self) -> bool {
        let Some(line) = self.current_line() else {
            return false;
        };
        let servers = &self.shared.servers;
        if !servers.has_sentinels() {
            return false;
        }
        let in_use = address_of(line.opened.client.get_connection_info());
        match servers.named().await {
            Ok(named) if Some(&named) != in_use.as_ref() => {}
            _ => return false,
        }
        // Only a server that reports the role of primary itself is used.
        let Ok(opened) = servers.open().await else {
            return false;
        };
        if address_of(opened.client.get_connection_info()) == in_use {
            return false;
        }
        tracing::warn!("the sentinels of Redis name another primary");
        self.use_from_here_on(opened);
        true
    }

    pub(crate) async fn call<T: FromRedisValue>(&self, ask: Ask<'_>) -> Result<T, Failure> {
        let mut line = self.line().ok_or(Failure::Away)?;
        let answer = self
            .in_time(async {
                let answer = ask.of(line.opened.connection.clone()).await;
                match answer {
                    Err(error) if self.shared.servers.is_cluster() => {
                        let Some((host, port)) = moved_to(&error) else {
                            return Err(error);
                        };
                        line = self.follow(&line, host, port).await?;
                        ask.of(line.opened.connection.clone()).await
                    }
                    answer => answer,
                }
            })
            .await;
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if is_about_the_call(&error) {
            tracing::error!(reason = %Reason(&error), "Redis refuses a call");
            self.doubt(line);
        } else {
            self.lost(line.number, &error);
        }
        Err(Failure::Told(error))
    }

    async fn in_time<T>(&self, call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let answer = timeout(self.shared.response_timeout, call).await;
        answer.unwrap_or_else(|_| Err(no_answer()))
    }

    /// The connection, if there is one. Otherwise, if an attempt is due, a background task makes it.
    fn line(&self) -> Option<Line> {
        let failures = match &mut *self.circuit() {
            Circuit::Closed { line, .. } => return Some(self.nearest(line)),
            Circuit::Open {
                failures, next_try, ..
            } => {
                let now = Instant::now();
                if now < *next_try {
                    return None;
                }
                // If this attempt dies with its runtime, another may follow after this time.
                let longest = self.shared.servers.longest() + self.shared.response_timeout;
                *next_try = now + longest + pause(*failures);
                *failures
            }
        };
        let connection = self.clone();
        tokio::spawn(async move { connection.reconnect(failures).await });
        None
    }

    fn current_line(&self) -> Option<Line> {
        match &*self.circuit() {
            Circuit::Closed { line, .. } => Some(line.clone()),
            Circuit::Open { .. } => None,
        }
    }

    fn client(&self) -> Option<Arc<Client>> {
        self.current_line().map(|line| line.opened.client)
    }

    /// The same line over the calling thread's own connection, if it has one.
    fn nearest(&self, line: &Line) -> Line {
        let number = line.number;
        match self.shared.near.find(number) {
            Found::Own(connection) => {
                let client = Arc::clone(&line.opened.client);
                return Line {
                    number,
                    opened: Opened { connection, client },
                };
            }
            Found::ToOpen => {
                let (redis, client) = (self.clone(), Arc::clone(&line.opened.client));
                tokio::spawn(async move {
                    // If this fails, the thread keeps using the shared connection.
                    if let Ok(opened) = redis.shared.servers.connect(client).await {
                        redis.shared.near.keep(number, opened.connection);
                    }
                });
            }
            Found::None => {}
        }
        line.clone()
    }

    /// Connects to the node that our slot of a Cluster moved to.
    async fn follow(&self, from: &Line, host: Option<&str>, port: u16) -> RedisResult<Line> {
        let _following = self.shared.following.lock().await;
        if let Some(line) = self.current_line().filter(|it| it.number != from.number) {
            // Another call has followed the move already.
            return Ok(line);
        }
        let own = address_of(from.opened.client.get_connection_info());
        let host = host.map(str::to_owned).or(own.map(|(host, _)| host));
        let opened = self
            .shared
            .servers
            .open_at(&(host.unwrap_or_default(), port))
            .await?;
        tracing::info!("our slot of the Redis Cluster moved");
        Ok(self.use_from_here_on(opened))
    }

    /// Tries to connect and to write, and records the result.
    async fn reconnect(&self, failures: u32) {
        let opened = match self.shared.servers.open().await {
            Ok(opened) => self.proven(&opened.connection).await.map(|()| opened),
            Err(error) => Err(error),
        };
        self.note(opened, failures);
    }

    fn note(&self, opened: RedisResult<Opened>, failures: u32) {
        match opened {
            Ok(opened) => {
                if self.shared.servers.is_cluster() {
                    let (redis, opened) = (self.clone(), opened.clone());
                    tokio::spawn(async move { redis.shared.servers.look_around(opened).await });
                }
                self.use_from_here_on(opened);
                tracing::info!("connected to Redis");
            }
            Err(error) => {
                if is_refusal(&error) {
                    tracing::warn!(reason = %Reason(&error), "Redis refuses a call");
                } else {
                    tracing::warn!(reason = %Reason(&error), "Redis cannot be reached");
                }
                *self.circuit() = Circuit::Open {
                    failures: failures.saturating_add(1),
                    next_try: Instant::now() + pause(failures),
                    reason: Reason(&error).to_string(),
                };
            }
        }
    }

    fn use_from_here_on(&self, opened: Opened) -> Line {
        let number = self.shared.lines.fetch_add(1, Ordering::Relaxed);
        let line = Line { number, opened };
        *self.circuit() = Circuit::Closed {
            line: line.clone(),
            next_doubt: Instant::now(),
        };
        line
    }

    async fn proven(&self, connection: &MultiplexedConnection) -> RedisResult<()> {
        let keys = self.keys();
        let answer: RedisResult<Value> = match &self.shared.proof {
            Proof::Load(begin_load) => {
                let mut call = begin_load.of(keys);
                if self.shared.servers.is_cluster() {
                    // The script's own key exists; the probe key never does. A node that is migrating our slot refuses
                    // a script with both (`TRYAGAIN` or `ASK`), as it does most of our scripts.
                    call.key(keys.probe());
                }
                self.in_time(Ask::Script(&call).of(connection.clone()))
                    .await
            }
            Proof::Key(key) => {
                let mut question = cmd("EXISTS");
                let ask = Ask::Command(question.arg(key));
                self.in_time(ask.of(connection.clone())).await
            }
        };
        answer.map(drop)
    }

    /// After a refused call: opens the circuit if every call is refused, so that no other caller waits for a refusal.
    fn doubt(&self, line: Line) {
        let now = Instant::now();
        match &mut *self.circuit() {
            Circuit::Closed {
                line: current,
                next_doubt,
            } if current.number == line.number && *next_doubt <= now => {
                *next_doubt = now + DOUBTED_EVERY;
            }
            _ => return,
        }
        let redis = self.clone();
        tokio::spawn(async move {
            if let Err(error) = redis.proven(&line.opened.connection).await {
                redis.lost(line.number, &error);
            }
        });
    }

    /// Opens the circuit. The first pause applies even if the server may be back already: a server that accepts
    /// connections and refuses calls (out of memory, loading, demoted) must not be flooded.
    fn lost(&self, number: u64, error: &RedisError) {
        let mut circuit = self.circuit();
        if matches!(&*circuit, Circuit::Closed { line, .. } if line.number == number) {
            *circuit = Circuit::Open {
                failures: 0,
                next_try: Instant::now() + pause(0),
                reason: Reason(error).to_string(),
            };
            if is_refusal(error) {
                tracing::warn!(reason = %Reason(error), "Redis refuses a call");
            } else {
                tracing::warn!(reason = %Reason(error), "lost the connection to Redis");
            }
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.shared
            .circuit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
