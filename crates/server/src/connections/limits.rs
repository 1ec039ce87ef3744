//! Deadlines of a connection, and the maximum number of connections.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// File descriptors reserved for everything but client connections. The management listener and the database have
/// their own share in addition.
const RESERVED: u64 = 128;
/// The fewest client connections with which a listener starts.
const FEWEST: u64 = 16;
/// The number of file descriptors requested where the limit can be raised.
const WANTED: u64 = 65_536;

/// The deadlines of one connection. Each covers a whole phase, so it also enforces a minimum rate: sending single
/// bytes now and then gains no time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// From the first byte of a head to its last; for the first head, from the start of the connection.
    pub(crate) head: Duration,
    /// From the end of a head to the end of its body, even if the body is no longer wanted.
    pub(crate) body: Duration,
    /// From the end of a request until its answer is sent completely. Routes marked as long-lived have none.
    pub(crate) answer: Duration,
    /// From an answer to the next request.
    pub(crate) idle: Duration,
    /// While the client does not read: in each such period it has to read [`Self::least_rate`] bytes per second.
    pub(crate) stall: Duration,
    /// The lowest rate at which a stalled client has to read, in bytes per second.
    pub(crate) least_rate: u64,
}

impl Deadlines {
    pub(crate) fn of(config: &Config) -> Self {
        let http = &config.http.connections;
        Self {
            head: http.head_deadline,
            body: http.body_deadline,
            answer: http.answer_deadline,
            idle: http.keep_alive,
            stall: http.write_stall,
            least_rate: http.least_write_rate,
        }
    }

    /// The fewest bytes that the client has to read within one stall period.
    pub(crate) fn least_in_a_stall(&self) -> u64 {
        let rate = u128::from(self.least_rate);
        u64::try_from(rate * self.stall.as_millis() / 1_000).map_or(u64::MAX, |it| it.max(1))
    }
}

/// Raises the soft limit of open files to the hard limit, or to what a node can use if that is less.
pub(crate) fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(WANTED).min(WANTED);
    if current.is_some_and(|current| current < wanted) {
        let limit = Rlimit {
            current: Some(wanted),
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
}

/// The limit of open files leaves no room for client connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of open files is {limit}, and this configuration needs {needed} at the least: \
     raise it (ulimit -n, LimitNOFILE=), or lower database.max_connections or management.max_connections"
)]
pub struct TooFewFiles {
    /// The limit of this process, after it was raised as far as possible.
    pub limit: u64,
    /// The minimum for the rest of the service and the fewest connections.
    pub needed: u64,
}

/// The maximum number of connections of the public listener: as configured, or less where the limit of open files
/// requires it.
///
/// # Errors
/// [`TooFewFiles`], at the start rather than when the database opens a connection.
pub(crate) fn most_public(config: &Config) -> Result<usize, TooFewFiles> {
    let wanted = config.http.connections.most;
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return Ok(wanted);
    };
    let room = room_for_clients(files, config)?;
    if room < wanted {
        tracing::warn!(
            room,
            wanted,
            files,
            "the limit of open files leaves fewer connections than http.max_connections"
        );
    }
    Ok(wanted.min(room))
}

fn room_for_clients(files: u64, config: &Config) -> Result<usize, TooFewFiles> {
    let replicas = u64::try_from(config.database.replica_urls.len()).unwrap_or(u64::MAX);
    let database = u64::from(config.database.max_connections).saturating_mul(replicas + 1);
    let management = u64::try_from(config.management.most_connections).unwrap_or(u64::MAX);
    let kept = RESERVED
        .saturating_add(database)
        .saturating_add(management.saturating_mul(2));
    let needed = kept.saturating_add(FEWEST);
    if files < needed {
        let limit = files;
        return Err(TooFewFiles { limit, needed });
    }
    Ok(usize::try_from(files - kept).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_files_enough_are_kept_for_the_rest() {
        let config = Config::default();
        // 1,024 minus 128, 16 of the database and twice the 64 of the management listener.
        assert_eq!(room_for_clients(1_024, &config), Ok(752));
        assert_eq!(room_for_clients(65_536, &config), Ok(65_264));
        assert_eq!(room_for_clients(288, &config), Ok(16));
        let needed = 288;
        for limit in [287, 100, 0] {
            let refused = TooFewFiles { limit, needed };
            assert_eq!(room_for_clients(limit, &config), Err(refused));
        }
    }

    #[test]
    fn a_rate_is_judged_over_a_stall() {
        let mut deadlines = Deadlines::of(&Config::default());
        deadlines.stall = Duration::from_secs(10);
        deadlines.least_rate = 1_024;
        assert_eq!(deadlines.least_in_a_stall(), 10_240);
        deadlines.stall = Duration::from_millis(1);
        deadlines.least_rate = 1;
        assert_eq!(deadlines.least_in_a_stall(), 1);
    }
}
