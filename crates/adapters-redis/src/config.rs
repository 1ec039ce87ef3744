//! The configuration of the connection to Redis: addresses, topology, time-outs.

use std::time::Duration;

use secrecy::SecretString;

/// Defaults.
const CONNECT: Duration = Duration::from_millis(500);
const RESPONSE: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Addresses, credentials and time-outs of a Redis deployment.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS (rustls, with the process's crypto
    /// provider). User, password, database and TLS apply to every server of the topology. The meaning of the host
    /// depends on the topology ([`RedisTopology`]).
    pub url: SecretString,
    /// How the servers are related.
    pub topology: RedisTopology,
    /// Certificates (PEM) of the only certificate authorities to trust. `None` trusts those of the system.
    pub authorities: Option<Vec<u8>>,
    /// The prefix of every key and channel, except the event stream, which has a name of its own. Two services that
    /// share a Redis need different prefixes.
    pub key_prefix: String,
    /// The time limit for connecting, greeting included; 500 ms. With sentinels or a Cluster, finding the server may
    /// take as long again.
    pub connect_timeout: Duration,
    /// The time limit for a call, measured by this process; 500 ms.
    pub response_timeout: Duration,
    /// How often a listener checks that the broadcast still reaches it; 5 s. Silence alone proves nothing: a server
    /// that vanished sends no message, and neither does one that has nothing to publish.
    pub heartbeat: Duration,
}

/// The topology of a Redis deployment.
#[derive(Debug, Clone, Default)]
pub enum RedisTopology {
    /// One server at the URL, or one behind a stable address.
    #[default]
    Standalone,
    /// A primary that sentinels monitor. The host of [`RedisConfig::url`] is the name by which they know it.
    Sentinel {
        /// The URLs of the sentinels themselves, with the credentials and the TLS scheme that they require.
        sentinels: Vec<SecretString>,
    },
    /// A Cluster. [`RedisConfig::url`] is one of its nodes.
    Cluster {
        /// More of its nodes as `host:port`, for when the node of the URL cannot be reached.
        nodes: Vec<String>,
    },
}

impl RedisConfig {
    /// The default settings for a single server at `url`.
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            topology: RedisTopology::Standalone,
            authorities: None,
            key_prefix: "fa:".to_owned(),
            connect_timeout: CONNECT,
            response_timeout: RESPONSE,
            heartbeat: HEARTBEAT,
        }
    }
}

/// Why a [`RedisConfig`] is invalid. The message never repeats a value, because it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedisConfig {
    /// [`RedisConfig::url`] is malformed.
    #[error("the URL of Redis is malformed, or its scheme is not supported")]
    Url,
    /// [`RedisTopology::Sentinel`] has no sentinel, or a malformed URL.
    #[error("there is no sentinel, or the URL of one is malformed")]
    Sentinels,
    /// [`RedisTopology::Cluster`] has a malformed node.
    #[error("a node of a Cluster is not named as host:port")]
    Nodes,
    /// [`RedisConfig::url`] names a database other than 0, which is the only one of a Cluster.
    #[error("a Redis Cluster has no database but 0")]
    Database,
    /// [`RedisConfig::authorities`] holds no certificate in PEM form, or a malformed one.
    #[error("there is no certificate in PEM form, or one is malformed")]
    Authorities,
    /// [`RedisConfig::key_prefix`] has no hash tag. On a Cluster, all keys of a script must be on the same node.
    #[error("on a Redis Cluster the prefix of keys must hold a hash tag, such as {{fa}}:")]
    Prefix,
}

/// The hash tag of a key: the non-empty text in its first pair of braces. A Cluster places a key by its hash tag.
pub fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// Whether a Cluster keeps both keys on the same node under every slot map.
pub(crate) fn live_together(one: &str, other: &str) -> bool {
    hash_tag(one).unwrap_or(one) == hash_tag(other).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let config = RedisConfig {
            topology: RedisTopology::Sentinel {
                sentinels: vec!["redis://:hunter3@127.0.0.1:2".into()],
            },
            ..RedisConfig::new("redis://fashionistar:hunter2@127.0.0.1:1/0".to_owned())
        };
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("hunter3"));
    }

    /// The rules of the Redis Cluster specification for hash tags.
    #[test]
    fn a_key_is_placed_by_its_first_braces_unless_they_are_empty() {
        assert_eq!(hash_tag("{fa}:v1:clock"), Some("fa"));
        assert_eq!(hash_tag("foo{bar}{zap}"), Some("bar"));
        assert_eq!(hash_tag("foo{{bar}}zap"), Some("{bar"));
        for untagged in ["fa:", "foo{}{bar}", "fa{", "}fa{", ""] {
            assert_eq!(hash_tag(untagged), None, "{untagged}");
        }
        assert!(live_together("{fa}:v1:", "{fa}:events"));
        assert!(live_together("fa", "{fa}:events"));
        assert!(!live_together("{fa}:v1:", "events"));
    }
}
