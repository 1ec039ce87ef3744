//! Reads a `postgres://` URL. Each parameter is honoured or refused, because an ignored one would be a silently broken
//! promise (libpq manual, 34.1.1 and 34.1.2).
//!
//! The driver takes a single host and ignores unknown parameters. So a URL is parsed here and split into one per
//! server, with only such parameters as the driver knows.

mod read;

use std::fmt;

use url::Url;

use read::Read;

/// Parameters that the service honours, by their libpq names.
const KNOWN: &str = "application_name, channel_binding, dbname, host, hostaddr, load_balance_hosts, options, \
                     password, port, sslcert, sslkey, sslmode, sslrootcert, target_session_attrs, user";

/// Why a URL cannot be used. Quotes no value, and only known names: part of a password may stand in the place of a
/// name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlMistake {
    /// It does not have the form of such a URL.
    #[error(
        "must be postgres://user:password@host:port/database (several hosts with commas between; @ / ? # % in \
         a name or a password are written %40 %2F %3F %23 %25)"
    )]
    Unreadable,
    /// An unknown parameter.
    #[error("must hold no parameter but these: {KNOWN}")]
    UnknownParameter,
    /// A parameter of libpq, or of another driver, that the service does not honour.
    #[error("must not hold the parameter {0}, which is not supported{1}")]
    UnsupportedParameter(&'static str, &'static str),
    /// A value of a parameter that is not supported.
    #[error("must hold {0} with another value: {1}")]
    Value(&'static str, &'static str),
    /// A parameter given twice, under one or two spellings.
    #[error("must hold the parameter {0} once, under one of its spellings")]
    Repeated(&'static str),
    /// The number of ports is neither one nor that of the hosts.
    #[error("must hold one port for all hosts, or one for each")]
    Ports,
}

/// Which of several servers to use (`target_session_attrs` of libpq).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetSession {
    /// Not specified: a server that takes writes, or the first that answers as long as there is none.
    #[default]
    Unsaid,
    /// The first that answers.
    Any,
    /// A server that takes writes.
    ReadWrite,
    /// A server that takes no writes.
    ReadOnly,
    /// A server that is not a replica.
    Primary,
    /// A replica.
    Standby,
    /// A replica, or the first that answers as long as there is none.
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

    /// How well a server fits: the lowest rank is chosen, `None` is never used.
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

/// The servers that a URL names. `Debug` shows none of them: their URLs may hold a password.
#[derive(Clone)]
pub struct PostgresUrl {
    servers: Vec<Url>,
    target: TargetSession,
}

impl PostgresUrl {
    /// Reads `postgres://` or `postgresql://`.
    ///
    /// # Errors
    /// [`UrlMistake`], whose message begins with "must" and contains no value.
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
        // The parser takes a single host, and refuses a user without a host.
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

    /// A URL for each server, in order: with what the driver knows, and user, password, host and port as parameters.
    /// Not to be displayed.
    pub fn servers(&self) -> &[Url] {
        &self.servers
    }

    /// Which of the servers to use.
    pub const fn target(&self) -> TargetSession {
        self.target
    }

    /// Whether the URL asks for a server that takes no writes, or prefers one.
    pub const fn wants_a_replica(&self) -> bool {
        matches!(
            self.target,
            TargetSession::ReadOnly | TargetSession::Standby | TargetSession::PreferStandby
        )
    }

    /// Host and port of each server that is reached over the network.
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
