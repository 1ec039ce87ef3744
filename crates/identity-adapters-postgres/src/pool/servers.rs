//! The servers that a URL names: which of them is the one, and whether a pooler is in front of it.
//!
//! A connection is a session of our own unless something between gives it to others in turn. That is found out
//! without asking anybody: a connection brings settings with it in its start-up packet, and one of them has a
//! name and a value that nobody else uses. A session that knows the value is ours. A pooler refuses such
//! settings or passes over them, since its sessions are older than our connection, so whatever lacks the value
//! is treated as a pooler in transaction mode, which is right for every other mode too.

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

/// The setting that nobody else uses.
const MARK: &str = "fashionistar.session";

const FOUND_POOLED: &str =
    "a pooler is between the service and PostgreSQL: nothing is left to its sessions";

/// How statements reach a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// Each connection is a session of its own.
    Direct,
    /// Something between may give each transaction another session.
    Pooled,
}

/// Where the connections of a pool lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Which of the URL's servers.
    pub(super) server: usize,
    pub(crate) path: Path,
}

/// A server that answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) spot: Spot,
    is_read_only: bool,
    is_replica: bool,
}

/// Why there is no server to use.
#[derive(Debug)]
pub(super) enum Missing {
    /// None of those that answer is one that is asked for.
    Unsuited,
    /// None answers with more than a refusal. The first one's reason.
    Refused(sqlx::Error),
    /// None answers. The first one's reason.
    Silent(sqlx::Error),
}

impl Missing {
    /// Whether it may be otherwise in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unsuited => true,
            Self::Refused(error) | Self::Silent(error) => passes(error),
        }
    }

    /// The same in an operator's words.
    pub(super) fn outage(&self) -> Outage {
        match self {
            Self::Unsuited => Outage::ReadOnly,
            Self::Refused(error) | Self::Silent(error) => outage_of(error).unwrap_or(Outage::Away),
        }
    }
}

/// It is starting, or has no connection free just now.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        error => code_of(error).is_some_and(|code| code == "53300" || code == "57P03"),
    }
}

fn code_of(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

/// No connection is left, or it does not like us: who has a connection is served.
fn is_there_and_refuses(error: &sqlx::Error) -> bool {
    code_of(error).is_some_and(|code| code == "53300" || code.starts_with("28"))
}

/// Whether a server refused our settings and not us: what PostgreSQL itself says when it has no room, is
/// starting, or knows no such role or database has nothing to do with them.
fn may_refuse_settings(error: &sqlx::Error) -> bool {
    const OF_POSTGRES: [&str; 5] = ["53", "57", "28", "3D", "42"];
    code_of(error).is_some_and(|code| !OF_POSTGRES.iter().any(|class| code.starts_with(class)))
}

struct Place {
    /// With our settings.
    direct: PgConnectOptions,
    /// Without any, for a pooler.
    plain: PgConnectOptions,
    is_pooled: AtomicBool,
}

/// All of them, and what is known of each.
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
        // Tells sessions apart, and protects nothing: the hasher's random keys are random enough.
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
                // There is no floating-point column, and poolers refuse what they do not know.
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

    /// What begins a transaction in a session that is not ours: with the settings that it would have.
    pub(super) fn begin(&self) -> &str {
        &self.begin
    }

    /// How to reach it; `None` for one that is not there.
    pub(super) fn options(&self, spot: Spot) -> Option<&PgConnectOptions> {
        let place = self.places.get(spot.server)?;
        Some(match spot.path {
            Path::Direct => &place.direct,
            Path::Pooled => &place.plain,
        })
    }

    /// How to reach a server without any setting of ours.
    pub(super) fn plain(&self, server: usize) -> Option<&PgConnectOptions> {
        self.places.get(server).map(|place| &place.plain)
    }

    /// From here on there is a pooler.
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

    /// Whether a new connection brought its settings with it.
    pub(super) async fn is_ours(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let question = format!("SELECT coalesce(current_setting('{MARK}', true), '')");
        let row = ask(connection, question).await?;
        Ok(row.try_get::<String, _>(0)? == self.mark)
    }

    /// Whether the server itself is there, whoever it is to.
    pub(super) async fn answers(&self, server: usize, patience: Duration) -> bool {
        match self.look_at(server, patience).await {
            Ok(_) => true,
            Err(error) => is_there_and_refuses(&error),
        }
    }

    /// Asks all of them, and takes the one that suits best, the first of those that suit alike.
    pub(super) async fn find(self: &Arc<Self>, patience: Duration) -> Result<Seen, Missing> {
        let mut asked = JoinSet::new();
        for server in 0..self.places.len() {
            let servers = Arc::clone(self);
            asked.spawn(async move { (server, servers.look_at(server, patience).await) });
        }
        let mut answers: Vec<_> = self.places.iter().map(|_| None).collect();
        while let Some(answer) = asked.join_next().await {
            // Without its task the runtime is ending.
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

    /// The first that suits without reserve, once all before it have answered.
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
        // One that may be there in a moment outweighs those that will not.
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
        // A transaction, since the service needs them: a pooler that gives a session for one statement has none.
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
        // It answered, however it takes the good-bye.
        let _ = connection.close().await;
        Ok(seen)
    }

    /// A connection, and what it turned out to be.
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

/// Asks in one message, without a statement that has a name or outlives it.
pub(super) async fn ask(
    connection: &mut PgConnection,
    question: String,
) -> Result<PgRow, sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(question))
        .fetch_one(connection)
        .await
}
