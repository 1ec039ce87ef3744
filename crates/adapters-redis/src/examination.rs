//! A look at Redis, for operators.

use std::time::Duration;

use authentication_app::ports::CacheError;
use tokio::time::Instant;

use crate::RedisConnection;

/// What Redis says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisExamination {
    /// Its version.
    pub version: String,
    /// How long the question took.
    pub round_trip: Duration,
    /// What it does when its memory is full; `noeviction` is the one that is safe.
    pub eviction_policy: String,
    /// Its limit of memory in bytes; none when it has none.
    pub memory_limit: Option<u64>,
    /// Whether it is a primary, which takes writes.
    pub is_primary: bool,
    /// Whether it writes to a disk.
    pub is_persistent: bool,
}

impl RedisExamination {
    /// Whether the version is one that we are made for.
    pub fn is_supported(&self) -> bool {
        let mut parts = self.version.split('.').map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
            return false;
        };
        (major, minor) >= (6, 2)
    }
}

impl RedisConnection {
    /// Asks Redis how it is set up.
    ///
    /// # Errors
    /// [`CacheError`] when it does not answer, or does not let us ask.
    pub async fn examine(&self) -> Result<RedisExamination, CacheError> {
        let asked = Instant::now();
        let info = self.info().await?;
        Ok(read(&info, asked.elapsed()))
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
    // `rdb_last_save_time` is there without any saving too; a change that was never saved tells.
    let saves = of("aof_enabled") == Some("1") || of("rdb_changes_since_last_save") == Some("0");
    RedisExamination {
        version: text("redis_version"),
        round_trip,
        eviction_policy: text("maxmemory_policy"),
        memory_limit: limit.filter(|bytes| *bytes > 0),
        is_primary: of("role") != Some("slave"),
        is_persistent: saves,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_is_read() {
        let info = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory:1048576\r\n\
                    maxmemory_policy:allkeys-lru\r\n# Replication\r\nrole:slave\r\naof_enabled:0\r\n\
                    rdb_changes_since_last_save:12\r\n";
        let read = read(info, Duration::from_millis(1));
        assert_eq!(read.version, "7.0.15");
        assert_eq!(read.eviction_policy, "allkeys-lru");
        assert_eq!(read.memory_limit, Some(1_048_576));
        assert!(!read.is_primary && !read.is_persistent && read.is_supported());
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
