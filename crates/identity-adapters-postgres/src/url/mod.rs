//! Reading a `postgres://` URL: each parameter is honoured or refused, since one that is ignored is a promise
//! that nobody keeps (libpq manual, 34.1.1 and 34.1.2).
//!
//! The driver knows one host and passes over what it does not know. So a URL is read here, and taken apart into
//! one for each server, with nothing in it that the driver does not know.

mod read;

use std::fmt;

use url::Url;

use read::Read;

/// Parameters that the service honours, by libpq's names.
const KNOWN: &str = "application_name, channel_binding, dbname, host, hostaddr, load_balance_hosts, options, \
                     password, port, sslcert, sslkey, sslmode, sslrootcert, target_session_attrs, user";

/// Why a URL cannot be used. Quotes no value, and a name only where it is a known one: a piece of a password may
/// stand where a name should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlMistake {
    /// It is no such URL.
    #[error(
        "must be postgres://user:password@host:port/database (several hosts with commas between; @ / ? # % in \
         a name or a password are written %40 %2F %3F %23 %25)"
    )]
    Unreadable,
    /// A parameter that nobody knows.
    #[error("must hold no parameter but these: {KNOWN}")]
    UnknownParameter,
    /// A parameter of libpq, or of another driver, that the service does not honour.
    #[error("must not hold the parameter {0}, which is not supported{1}")]
    UnsupportedParameter(&'static str, &'static str),
    /// A value that a parameter does not have here.
    #[error("must hold {0} with another value: {1}")]
    Value(&'static str, &'static str),
    /// Said twice, under one spelling or under two.
    #[error("must hold the parameter {0} once, under one of its spellings")]
    Repeated(&'static str),
    /// As many ports as hosts, or one for all.
    #[error("must hold one port for all hosts, or one for each")]
    Ports,
}

/// Which of several servers is wanted (`target_session_attrs` of libpq).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetSession {
    /// Not said: one that takes writes; while there is none, the first that answers.
    #[default]
    Unsaid,
    /// The first that answers.
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that takes none.
    ReadOnly,
    /// One that is no replica.
    Primary,
    /// A replica.
    Standby,
    /// A replica; while there is none, the first that answers.
    PreferStandby,
}

impl TargetSession {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "any" => Self::Any,
            "read-write" => Self::ReadWrite,
            "read-only" => Self::ReadOnly,
            "primary" => Self::Primary,
            "standby" => Self::Standby,
            "prefer-standby" => Self::PreferStandby,
            _ => return None,
        })
    }

    /// How well a server suits: the lowest is taken, `None` never.
    pub(crate) fn rank(self, is_read_only: bool, is_replica: bool) -> Option<u8> {
        let only_if = |it: bool| it.then_some(0);
        match self {
            Self::Any => Some(0),
            Self::Unsaid => Some(u8::from(is_read_only)),
            Self::ReadWrite => only_if(!is_read_only),
            Self::ReadOnly => only_if(is_read_only),
            Self::Primary => only_if(!is_replica),
            Self::Standby => only_if(is_replica),
            Self::PreferStandby => Some(u8::from(!is_replica)),
        }
    }
}

/// The servers that a URL names. `Debug` shows none of them: their URLs hold a password.
#[derive(Clone)]
pub struct PostgresUrl {
    servers: Vec<Url>,
    target: TargetSession,
}

impl PostgresUrl {
    /// Reads `postgres://` or `postgresql://`.
    ///
    /// # Errors
    /// [`UrlMistake`], which begins with "must" and holds no value.
    pub fn parse(text: &str) -> Result<Self, UrlMistake> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .filter(|rest| !rest.contains('#'))
            .ok_or(UrlMistake::Unreadable)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        // The parser knows one host only, and none without a name if there is a user.
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let base = Url::parse(&format!("postgres://{user}host{rest}"));
        let base = base.map_err(|_| UrlMistake::Unreadable)?;
        let mut read = Read::beginning_with(hosts)?;
        for (name, value) in base.query_pairs() {
            read.take(&name, &value)?;
        }
        let target = read.target;
        let servers = read.servers(&base)?;
        Ok(Self { servers, target })
    }

    /// A URL for each server, in their order: what the driver knows, with user, password, host and port among the
    /// parameters. Not to be shown.
    pub fn servers(&self) -> &[Url] {
        &self.servers
    }

    /// Which of them is wanted.
    pub const fn target(&self) -> TargetSession {
        self.target
    }

    /// Whether it asks for a server that takes no writes, or may.
    pub const fn wants_a_replica(&self) -> bool {
        matches!(
            self.target,
            TargetSession::ReadOnly | TargetSession::Standby | TargetSession::PreferStandby
        )
    }

    /// Host and port of each server that is reached by network.
    pub fn addresses(&self) -> Vec<(String, u16)> {
        let of = |url: &Url| {
            let value = |name| {
                let found = url.query_pairs().find(|(it, _)| it == name);
                found.map(|(_, value)| value.into_owned())
            };
            let host = value("host").filter(|host| !host.starts_with('/'))?;
            let port = value("port").and_then(|port| port.parse().ok());
            Some((host, port.unwrap_or(DEFAULT_PORT)))
        };
        self.servers.iter().filter_map(of).collect()
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUrl")
            .field("servers", &self.servers.len())
            .field("target", &self.target)
            .finish()
    }
}

const DEFAULT_PORT: u16 = 5432;

#[cfg(test)]
mod tests;
