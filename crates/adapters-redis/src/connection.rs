//! The connection of a node to Redis, one more for each thread that profits from it, and a circuit breaker before
//! all of them.
//!
//! ```text
//!           a call fails                         a pause has passed
//! Closed ─────────────────▶ Open (calls fail at ◀───────────────────┐
//!   ▲                       once, none waits)   ────────────────────┤
//!   │  it connects and writes       │ a task tries                  │ it does not
//!   └───────────────────────────────┴───────────────────────────────┘
//! ```
//!
//! So a server that is frozen costs those who were asking it the time for one answer, and nobody after them.
//! One that answers and refuses (out of memory, read-only, without rights) is as one that is away: what closes
//! the circuit is a script that writes, as those of the callers do, and not an answer alone.

use std::{
    fmt,
    future::Future,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use authentication_app::ports::CacheError;
use deadpool_redis::redis::{
    self, AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError,
    RedisResult, ScriptInvocation, ServerErrorKind,
    aio::{MultiplexedConnection, PubSub},
    io::tcp::TcpSettings,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout};

use crate::{
    back_off::pause,
    keys::Keys,
    near::{Found, NearConnections},
    ticking::BeginLoad,
};

/// How long we wait when nobody says.
const CONNECT: Duration = Duration::from_millis(500);
const RESPONSE: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// After a call was refused it is found out whether all are, at the most so often.
const DOUBTED_EVERY: Duration = Duration::from_secs(1);

/// Where Redis is and how long we wait for it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS with certificates that the
    /// system trusts (rustls, with the process's crypto provider).
    pub url: SecretString,
    /// Before every key and channel. Two services on one Redis need two.
    pub key_prefix: String,
    /// The longest that connecting may take, greeting included; 500 ms.
    pub connect_timeout: Duration,
    /// The longest that a call may take, measured here; 500 ms.
    pub response_timeout: Duration,
    /// How often a listener asks whether its connection is still one; 5 s. A server that vanished without a
    /// word sends no message, and neither does one that has nothing to say.
    pub heartbeat: Duration,
}

impl RedisConfig {
    /// The usual settings for the server at `url`.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            key_prefix: "fa:".to_owned(),
            connect_timeout: CONNECT,
            response_timeout: RESPONSE,
            heartbeat: HEARTBEAT,
        }
    }
}

/// The URL is not one of a Redis. It is not repeated here: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the URL of Redis is malformed, or its scheme is not supported")]
pub struct InvalidRedisUrl;

/// A connection that all callers share and that comes back by itself; clones are the same one.
///
/// It is multiplexed: commands of many callers travel at once, so there is no pool to wait for and no ping
/// before a call. A thread with a runtime to itself gets one of its own (`near`), as part of the same line.
#[derive(Clone)]
pub struct RedisConnection {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    keys: Keys,
    connect_timeout: Duration,
    response_timeout: Duration,
    heartbeat: Duration,
    circuit: Mutex<Circuit>,
    lines: AtomicU64,
    near: NearConnections,
    /// What every user of the session cache does, and what has to work for anything to.
    begin_load: BeginLoad,
}

enum Circuit {
    /// Calls go through.
    Closed { line: Line, next_doubt: Instant },
    /// Calls fail at once; the first of them when `next_try` has come sends a task to try again.
    Open { failures: u32, next_try: Instant },
}

/// A connection, numbered, so that a call that fails late does not cut the one that came after.
#[derive(Clone)]
struct Line {
    number: u64,
    connection: MultiplexedConnection,
}

impl RedisConnection {
    /// Tries to connect once. A server that is away is no error: calls fail until it is there.
    ///
    /// # Errors
    /// [`InvalidRedisUrl`].
    pub async fn connect(config: &RedisConfig) -> Result<Self, InvalidRedisUrl> {
        let info = config
            .url
            .expose_secret()
            .into_connection_info()
            .map_err(|_| InvalidRedisUrl)?
            // Without it a small command may wait for the answer to the one before.
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let connection = Self {
            shared: Arc::new(Shared {
                client: Client::open(info).map_err(|_| InvalidRedisUrl)?,
                keys: Keys::new(&config.key_prefix),
                connect_timeout: config.connect_timeout,
                response_timeout: config.response_timeout,
                heartbeat: config.heartbeat.max(Duration::from_millis(1)),
                circuit: Mutex::new(Circuit::Open {
                    failures: 0,
                    next_try: Instant::now(),
                }),
                lines: AtomicU64::new(0),
                near: NearConnections::default(),
                begin_load: BeginLoad::new(),
            }),
        };
        // Told in the log when it fails. Nothing is written yet: whoever only looks writes nothing at all.
        let opened = connection.open_line().await;
        connection.note(opened, 0);
        Ok(connection)
    }

    /// Whether Redis does what is asked of it; for readiness checks. One that has no memory left, or takes no
    /// writes, answers a PING.
    ///
    /// # Errors
    /// [`CacheError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn try_writing(&self) -> Result<(), CacheError> {
        let number: Result<u64, _> = self.run(&self.shared.begin_load.of(self.keys())).await;
        number.map(drop)
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, CacheError> {
        self.call(async |mut connection| script.invoke_async(&mut connection).await)
            .await
    }

    pub(crate) async fn publish(&self, channel: &str, message: &str) -> Result<(), CacheError> {
        self.call(async |mut connection| {
            redis::cmd("PUBLISH")
                .arg(channel)
                .arg(message)
                .query_async(&mut connection)
                .await
        })
        .await
    }

    /// What the server says of itself.
    pub(crate) async fn info(&self) -> Result<String, CacheError> {
        self.call(async |mut connection| redis::cmd("INFO").query_async(&mut connection).await)
            .await
    }

    /// One command, whose answer is of no interest.
    pub(crate) async fn command(&self, command: &redis::Cmd) -> Result<(), CacheError> {
        self.call(async |mut connection| command.query_async::<()>(&mut connection).await)
            .await
    }

    /// A connection of its own that listens to a channel.
    pub(crate) async fn listen(&self, channel: &str) -> Result<PubSub, CacheError> {
        let listening = async {
            let mut listener = self.shared.client.get_async_pubsub().await?;
            listener.subscribe(channel).await?;
            Ok(listener)
        };
        match timeout(self.shared.connect_timeout, listening).await {
            Ok(Ok(listener)) => Ok(listener),
            Ok(Err(error)) => {
                tracing::debug!(reason = %Reason(&error), "cannot listen to Redis");
                Err(CacheError)
            }
            Err(_) => Err(CacheError),
        }
    }

    pub(crate) fn response_timeout(&self) -> Duration {
        self.shared.response_timeout
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        self.shared.heartbeat
    }

    /// Whether a call would fail at once.
    pub(crate) fn is_away(&self) -> bool {
        matches!(&*self.circuit(), Circuit::Open { next_try, .. } if Instant::now() < *next_try)
    }

    async fn call<T>(
        &self,
        call: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, CacheError> {
        let line = self.line()?;
        let error = match self.in_time(call(line.connection.clone())).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if is_about_the_call(&error) {
            tracing::error!(reason = %Reason(&error), "Redis refuses a call");
            self.doubt(line);
        } else {
            self.lost(line.number, &error);
        }
        Err(CacheError)
    }

    async fn in_time<T>(&self, call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let answer = timeout(self.shared.response_timeout, call).await;
        answer.unwrap_or_else(|_| Err(no_answer()))
    }

    /// The connection if there is one. If there is none and it is time, somebody else makes one.
    fn line(&self) -> Result<Line, CacheError> {
        let failures = match &mut *self.circuit() {
            Circuit::Closed { line, .. } => return Ok(self.nearest(line)),
            Circuit::Open { failures, next_try } => {
                let now = Instant::now();
                if now < *next_try {
                    return Err(CacheError);
                }
                // If this attempt ends with its runtime, another may follow.
                let longest = self.shared.connect_timeout + self.shared.response_timeout;
                *next_try = now + longest + pause(*failures);
                *failures
            }
        };
        let connection = self.clone();
        tokio::spawn(async move { connection.reconnect(failures).await });
        Err(CacheError)
    }

    /// The same line by a connection of the calling thread's own, if it has one by now.
    fn nearest(&self, line: &Line) -> Line {
        let number = line.number;
        match self.shared.near.find(number) {
            Found::Own(connection) => return Line { number, connection },
            Found::ToOpen => {
                let redis = self.clone();
                tokio::spawn(async move {
                    // Without it the thread goes on with the common one.
                    if let Ok(connection) = redis.open_line().await {
                        redis.shared.near.keep(number, connection);
                    }
                });
            }
            Found::None => {}
        }
        line.clone()
    }

    /// Tries to connect and to write, and notes what came of it.
    async fn reconnect(&self, failures: u32) {
        let opened = match self.open_line().await {
            Ok(line) => self.proven(&line).await.map(|()| line),
            Err(error) => Err(error),
        };
        self.note(opened, failures);
    }

    fn note(&self, opened: RedisResult<MultiplexedConnection>, failures: u32) {
        match opened {
            Ok(connection) => {
                let number = self.shared.lines.fetch_add(1, Ordering::Relaxed);
                *self.circuit() = Circuit::Closed {
                    line: Line { number, connection },
                    next_doubt: Instant::now(),
                };
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
                };
            }
        }
    }

    async fn open_line(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.shared.connect_timeout))
            // `call` has a timer for the whole call.
            .set_response_timeout(None);
        self.shared
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    async fn proven(&self, line: &MultiplexedConnection) -> RedisResult<()> {
        let mut line = line.clone();
        let call = self.shared.begin_load.of(self.keys());
        let number: RedisResult<u64> = self.in_time(call.invoke_async(&mut line)).await;
        number.map(drop)
    }

    /// A call was refused. If it was not that call alone, nobody is to wait for such an answer again.
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
            if let Err(error) = redis.proven(&line.connection).await {
                redis.lost(line.number, &error);
            }
        });
    }

    /// Opens the circuit. Also for a moment when the server may be back already: one that takes connections
    /// and refuses calls (out of memory, loading, demoted) is not to be stormed.
    fn lost(&self, number: u64, error: &RedisError) {
        let mut circuit = self.circuit();
        if matches!(&*circuit, Circuit::Closed { line, .. } if line.number == number) {
            *circuit = Circuit::Open {
                failures: 0,
                next_try: Instant::now() + pause(0),
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

fn no_answer() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// The server's own word, with its code.
fn is_refusal(error: &RedisError) -> bool {
    error.code().is_some()
}

/// The server is there, and this one call may be wrong (or another release's); every other error says that the
/// server, its memory, or its role as primary, is gone.
fn is_about_the_call(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ResponseError
                | ServerErrorKind::CrossSlot
                | ServerErrorKind::NoPerm
                | ServerErrorKind::NoScript
        ) | ErrorKind::UnexpectedReturnType
    )
}

/// What may be logged of an error: the operating system's words, or the server's code. The server's text
/// may repeat what it was sent.
struct Reason<'a>(&'a RedisError);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.code() {
            Some(code) => f.write_str(code),
            None if self.0.is_io_error() => self.0.fmt(f),
            None => f.write_str(self.0.category()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let config = RedisConfig::new("redis://fashionistar:hunter2@127.0.0.1:1/0".to_owned());
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn what_is_no_url_of_redis_is_refused_and_not_repeated() {
        for url in [
            "",
            "redis",
            "http://127.0.0.1",
            "redis://:hunter2@127.0.0.1:port/0",
        ] {
            let refused = RedisConnection::connect(&RedisConfig::new(url)).await.err();
            assert_eq!(refused, Some(InvalidRedisUrl), "{url}");
        }
        assert!(!InvalidRedisUrl.to_string().contains("hunter2"));
    }
}
