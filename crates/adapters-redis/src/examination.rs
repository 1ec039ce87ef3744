//! Diagnostics of the Redis servers, for operators.

use std::time::Duration;

use deadpool_redis::redis::cmd;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::{
    RedisConnection,
    health::RedisTrouble,
    line::{Ask, Failure},
    reason::{Reason, is_about_the_call},
    servers::Address,
};

/// What Redis reports about itself (`INFO`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisExamination {
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// How long the answer to `INFO` took.
    pub round_trip: Duration,
    /// Its `maxmemory-policy`. Only `noeviction` is safe.
    pub eviction_policy: String,
    /// Its memory limit in bytes; `None` without a limit.
    pub memory_limit: Option<u64>,
    /// Whether its role is primary, so that it takes writes.
    pub is_primary: bool,
    /// Whether it persists data to disk; `None` where that cannot be determined.
    pub is_persistent: Option<bool>,
    /// Whether it is a node of a Cluster.
    pub is_of_a_cluster: bool,
}

impl RedisExamination {
    /// Whether the version is supported: 6.2 or newer.
    pub fn is_supported(&self) -> bool {
        let mut parts = self.version.split('.').map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
            return false;
        };
        (major, minor) >= (6, 2)
    }
}

/// The state of a server other than the one in use: a sentinel, or a node of a Cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// Its address as `host:port`.
    pub address: String,
    /// The primary that it names, if it is a sentinel; otherwise `None`. An error says why it did not answer.
    pub answer: Result<Option<String>, String>,
}

impl RedisConnection {
    /// Asks Redis for its settings.
    ///
    /// # Errors
    /// [`RedisTrouble`]: the server cannot be used, or refuses `INFO`.
    pub async fn examine(&self) -> Result<RedisExamination, RedisTrouble> {
        let asked = Instant::now();
        let info: Result<String, _> = self.call(Ask::Command(&cmd("INFO"))).await;
        match info {
            Ok(info) => {
                let mut seen = read(&info, asked.elapsed());
                if seen.is_persistent.is_none() {
                    seen.is_persistent = self.has_save_points().await;
                }
                Ok(seen)
            }
            Err(Failure::Told(error)) if is_about_the_call(&error) => {
                Err(RedisTrouble::RefusesCommands(Reason(&error).to_string()))
            }
            Err(Failure::Told(error)) => Err(RedisTrouble::Unusable(Reason(&error).to_string())),
            Err(Failure::Away) => Err(RedisTrouble::Unusable(self.why_away().unwrap_or_default())),
        }
    }

    /// Whether the server has save points; `None` where `CONFIG` is refused. The service does not need that right, so a
    /// refusal is no fault.
    async fn has_save_points(&self) -> Option<bool> {
        let mut question = cmd("CONFIG");
        question.arg("GET").arg("save");
        let opened = self.servers().open().await.ok()?;
        let mut connection = opened.connection;
        let answer = question.query_async::<Vec<String>>(&mut connection);
        let answer = timeout(self.response_timeout(), answer).await.ok()?.ok()?;
        answer.get(1).map(|points| !points.is_empty())
    }

    /// Asks every sentinel, or every configured node of a Cluster. The result is empty for a single server.
    pub async fn examine_others(&self) -> Vec<ServerState> {
        let shown = |(host, port): &Address| format!("{host}:{port}");
        let servers = self.servers();
        let sentinels = servers.ask_sentinels().await;
        let sentinels = sentinels.into_iter().map(|(sentinel, named)| ServerState {
            address: shown(&sentinel),
            answer: match named {
                Ok(primary) => Ok(Some(shown(&primary))),
                Err(error) => Err(Reason(&error).to_string()),
            },
        });
        let nodes = servers.seeds().iter().map(|node| async move {
            let answer = match servers.open_at(node).await {
                Ok(_) => Ok(None),
                Err(error) => Err(Reason(&error).to_string()),
            };
            ServerState {
                address: shown(node),
                answer,
            }
        });
        let nodes = join_all(nodes).await;
        sentinels.chain(nodes).collect()
    }
}

fn read(info: &str, round_trip: Duration) -> RedisExamination {
    let of = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(it, _)| *it == name)
            .map(|(_, value)| value.trim())
    };
    let text = |name| of(name).unwrap_or("unknown").to_owned();
    let limit = of("maxmemory").and_then(|bytes| bytes.parse().ok());
    let number = |name| of(name).and_then(|text| text.parse::<u64>().ok());
    // `rdb_changes_since_last_save` and `rdb_last_save_time` prove nothing: a server that has just started reports no
    // unsaved changes and counts as saved, even without any persistence.
    let has_written =
        of("aof_enabled") == Some("1") || number("rdb_saves").is_some_and(|it| it > 0);
    RedisExamination {
        version: text("redis_version"),
        round_trip,
        eviction_policy: text("maxmemory_policy"),
        memory_limit: limit.filter(|bytes| *bytes > 0),
        is_primary: of("role") != Some("slave"),
        is_persistent: has_written.then_some(true),
        is_of_a_cluster: of("cluster_enabled") == Some("1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_is_read() {
        let info = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:1048576\r\n\
                    maxmemory_policy:allkeys-lru\r\n# Replication\r\nrole:slave\r\naof_enabled:0\r\n\
                    rdb_changes_since_last_save:0\r\nrdb_saves:0\r\n# Cluster\r\ncluster_enabled:1\r\n";
        let read = read(info, Duration::from_millis(1));
        assert_eq!(read.version, "7.0.15");
        assert_eq!(read.eviction_policy, "allkeys-lru");
        assert_eq!(read.memory_limit, Some(1_048_576));
        assert!(!read.is_primary && read.is_supported());
        assert_eq!(read.is_persistent, None, "it may not have had to save yet");
        for told in ["aof_enabled:1\r\n", "aof_enabled:0\r\nrdb_saves:2\r\n"] {
            assert_eq!(super::read(told, Duration::ZERO).is_persistent, Some(true));
        }
        assert!(read.is_of_a_cluster);
        for (version, supported) in [
            ("6.0.16", false),
            ("6.2.0", true),
            ("8.2.1", true),
            ("unknown", false),
        ] {
            let version = version.to_owned();
            let it = RedisExamination {
                version,
                ..read.clone()
            };
            assert_eq!(it.is_supported(), supported, "{}", it.version);
        }
    }
}
