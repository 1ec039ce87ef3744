//! The servers that a URL names: which one to use, and whether a pooler is in front of it.
//!
//! A connection has a session of its own unless a pooler shares sessions among connections. This is detected without
//! configuration: a connection sends settings in its start-up packet, and one of them has a name and a value that no
//! other client uses. A session that knows the value is ours. A pooler refuses or ignores such settings, because its
//! sessions are older than our connection. So a session without the value is treated as one behind a pooler in
//! transaction mode, which is correct for every other mode too.

use std::{
    hash::{BuildHasher as _, RandomState},
    io,
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use authentication_app::ports::Outage;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgRow},
};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    config::StoreConfig,
    error::{Fault, outage_of},
    url::{PostgresUrl, TargetSession},
};

/// The setting that marks our sessions.
const MARK: &str = "fashionistar.session";

const FOUND_POOLED: &str =
    "a pooler is between the service and PostgreSQL: nothing is left to its sessions";

/// How a server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// Each connection has a session of its own.
    Direct,
    /// A pooler in between may give each transaction another session.
    Pooled,
}

/// Where the connections of a pool lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// The index of the server in the URL.
    pub(super) server: usize,
    pub(crate) path: Path,
}

/// The answer of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) spot: Spot,
    is_read_only: bool,
    is_replica: bool,
}

/// Why there is no usable server.
#[derive(Debug)]
pub(super) enum Missing {
    /// Servers answer, but none fits `target_session_attrs`.
    Unsuited,
    /// The servers that are reachable refuse us. The first one's error.
    Refused(sqlx::Error),
    /// None is reachable. The error of the first one that may be temporary, otherwise of the first one.
    Silent(sqlx::Error),
}

impl Missing {
    /// Whether the cause may be temporary.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unsuited => true,
            Self::Refused(error) | Self::Silent(error) => passes(error),
        }
    }

    /// The cause as operators see it.
    pub(super) fn outage(&self) -> Outage {
        match self {
            Self::Unsuited => Outage::ReadOnly,
            Self::Refused(error) | Self::Silent(error) => outage_of(error).unwrap_or(Outage::Away),
        }
    }
}

/// Whether the error is temporary: the server is starting, or has no free connection.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        error => code_of(error).is_some_and(|code| code == "53300" || code == "57P03"),
    }
}

fn code_of(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

/// The server is reachable, but has no free connection or rejects our credentials. Open connections still work.
fn is_there_and_refuses(error: &sqlx::Error) -> bool {
    code_of(error).is_some_and(|code| code == "53300" || code.starts_with("28"))
}

/// Whether the error may be about our settings and not about us: errors of these classes come from PostgreSQL itself
/// (no resources, starting, no such role or database) and have nothing to do with settings.
fn may_refuse_settings(error: &sqlx::Error) -> bool {
    const OF_POSTGRES: [&str; 5] = ["53", "57", "28", "3D", "42"];
    code_of(error).is_some_and(|code| !OF_POSTGRES.iter().any(|class| code.starts_with(class)))
}

struct Place {
    /// Options with our settings.
    direct: PgConnectOptions,
    /// Options without settings, for a pooler.
    plain: PgConnectOptions,
    is_pooled: AtomicBool,
}

/// All servers of the URL, and what is known about each.
pub(super) struct Servers {
    places: Vec<Place>,
    target: TargetSession,
    mark: String,
    begin: String,
    tells_of_poolers: bool,
}

impl Servers {
    pub(super) fn of(config: &StoreConfig) -> Result<Self, Fault> {
        let url = PostgresUrl::parse(&config.url).map_err(Fault::Url)?;
        // Distinguishes sessions and protects nothing, so the random keys of the hasher are random enough.
        let mark = format!("{:016x}", RandomState::new().hash_one(0));
        let timeouts = [
            ("statement_timeout", config.statement_timeout),
            ("lock_timeout", config.lock_timeout()),
            (
                "idle_in_transaction_session_timeout",
                config.idle_in_transaction_timeout(),
            ),
        ]
        .map(|(name, time)| (name, time.as_millis().to_string()));
        let place = |url: &url::Url| -> Result<Place, Fault> {
            let plain = PgConnectOptions::from_str(url.as_str())
                .map_err(|_| Fault::UnreadableUrl)?
                // There is no floating-point column, and poolers refuse parameters that they do not know.
                .extra_float_digits(None)
                .disable_statement_logging();
            let direct = plain
                .clone()
                .options(timeouts.clone())
                .options([(MARK, &mark)]);
            Ok(Place {
                direct,
                plain,
                is_pooled: AtomicBool::new(false),
            })
        };
        let places: Result<_, Fault> = url.servers().iter().map(place).collect();
        let settings = timeouts.map(|(name, value)| format!("; SET LOCAL {name} = {value}"));
        Ok(Self {
            places: places?,
            target: url.target(),
            mark,
            begin: format!("BEGIN{}", settings.concat()),
            tells_of_poolers: config.tells_of_poolers,
        })
    }

    pub(super) const fn are_several(&self) -> bool {
        self.places.len() > 1
    }

    /// The BEGIN for a session of a pooler, including the settings that a session of our own would have.
    pub(super) fn begin(&self) -> &str {
        &self.begin
    }

    /// The connection options for a spot; `None` if there is no such server.
    pub(super) fn options(&self, spot: Spot) -> Option<&PgConnectOptions> {
        let place = self.places.get(spot.server)?;
        Some(match spot.path {
            Path::Direct => &place.direct,
            Path::Pooled => &place.plain,
        })
    }

    /// The connection options for a server, without our settings.
    pub(super) fn plain(&self, server: usize) -> Option<&PgConnectOptions> {
        self.places.get(server).map(|place| &place.plain)
    }

    /// Records that there is a pooler in front of a server.
    pub(super) fn note_pooled(&self, server: usize) {
        let Some(place) = self.places.get(server) else {
            return;
        };
        if place.is_pooled.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.tells_of_poolers {
            tracing::info!("{FOUND_POOLED}");
        } else {
            tracing::debug!("{FOUND_POOLED}");
        }
    }

    /// Whether a new connection has a session with our settings.
    pub(super) async fn is_ours(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let question = format!("SELECT coalesce(current_setting('{MARK}', true), '')");
        let row = ask(connection, question).await?;
        Ok(row.try_get::<String, _>(0)? == self.mark)
    }

    /// Whether the server is reachable, even if it refuses us.
    pub(super) async fn answers(&self, server: usize, patience: Duration) -> bool {
        match self.look_at(server, patience).await {
            Ok(_) => true,
            Err(error) => is_there_and_refuses(&error),
        }
    }

    /// Probes all servers and returns the one that fits best; among equals the first.
    pub(super) async fn find(self: &Arc<Self>, patience: Duration) -> Result<Seen, Missing> {
        let mut asked = JoinSet::new();
        for server in 0..self.places.len() {
            let servers = Arc::clone(self);
            asked.spawn(async move { (server, servers.look_at(server, patience).await) });
        }
        let mut answers: Vec<_> = self.places.iter().map(|_| None).collect();
        while let Some(answer) = asked.join_next().await {
            // The task is only lost when the runtime shuts down.
            if let Ok((server, answer)) = answer
                && let Some(place) = answers.get_mut(server)
            {
                *place = Some(answer);
            }
            if let Some(seen) = self.first_choice(&answers) {
                return Ok(seen);
            }
        }
        let answers: Vec<_> = answers.into_iter().flatten().collect();
        self.second_choice(answers)
    }

    /// The first server that fits fully, once all servers before it have answered.
    fn first_choice(&self, answers: &[Option<Result<Seen, sqlx::Error>>]) -> Option<Seen> {
        for answer in answers {
            if let Ok(seen) = answer.as_ref()?
                && self.rank(seen) == Some(0)
            {
                return Some(*seen);
            }
        }
        None
    }

    fn second_choice(&self, answers: Vec<Result<Seen, sqlx::Error>>) -> Result<Seen, Missing> {
        let seen = answers.iter().flatten();
        let ranked = seen.filter_map(|seen| Some((self.rank(seen)?, *seen)));
        if let Some((_, seen)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(seen);
        }
        if answers.iter().any(Result::is_ok) {
            return Err(Missing::Unsuited);
        }
        let mut errors: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
        if let Some(at) = errors.iter().position(is_there_and_refuses) {
            return Err(Missing::Refused(errors.swap_remove(at)));
        }
        if errors.is_empty() {
            return Err(Missing::Silent(sqlx::Error::PoolTimedOut));
        }
        // An error that may be temporary takes precedence.
        let at = errors.iter().position(passes).unwrap_or(0);
        Err(Missing::Silent(errors.swap_remove(at)))
    }

    fn rank(&self, seen: &Seen) -> Option<u8> {
        self.target.rank(seen.is_read_only, seen.is_replica)
    }

    async fn look_at(&self, server: usize, patience: Duration) -> Result<Seen, sqlx::Error> {
        let silent = || sqlx::Error::Io(io::ErrorKind::TimedOut.into());
        let Some(place) = self.places.get(server) else {
            return Err(sqlx::Error::PoolClosed);
        };
        timeout(patience, self.look(server, place))
            .await
            .unwrap_or_else(|_| Err(silent()))
    }

    async fn look(&self, server: usize, place: &Place) -> Result<Seen, sqlx::Error> {
        let (mut connection, path) = self.open(server, place).await?;
        // In a transaction, since the service needs them: a pooler in statement mode refuses them.
        let mut unit = connection.begin().await?;
        let question =
            "SELECT current_setting('transaction_read_only') = 'on', pg_is_in_recovery()";
        let row = ask(&mut unit, question.to_owned()).await?;
        let seen = Seen {
            spot: Spot { server, path },
            is_read_only: row.try_get(0)?,
            is_replica: row.try_get(1)?,
        };
        unit.rollback().await?;
        // The server has answered, so an error while closing does not matter.
        let _ = connection.close().await;
        Ok(seen)
    }

    /// Opens a connection, and finds out whether it is direct or pooled.
    async fn open(
        &self,
        server: usize,
        place: &Place,
    ) -> Result<(PgConnection, Path), sqlx::Error> {
        if !place.is_pooled.load(Ordering::Acquire) {
            let refused = match place.direct.connect().await {
                Ok(mut connection) => {
                    if self.is_ours(&mut connection).await? {
                        return Ok((connection, Path::Direct));
                    }
                    self.note_pooled(server);
                    return Ok((connection, Path::Pooled));
                }
                Err(error) => error,
            };
            if !may_refuse_settings(&refused) {
                return Err(refused);
            }
            let connection = place.plain.connect().await?;
            self.note_pooled(server);
            return Ok((connection, Path::Pooled));
        }
        Ok((place.plain.connect().await?, Path::Pooled))
    }
}

/// Runs a query of the simple protocol: one message, and no prepared statement that could remain in the session.
pub(super) async fn ask(
    connection: &mut PgConnection,
    question: String,
) -> Result<PgRow, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(question))
        .fetch_one(connection)
        .await
}
