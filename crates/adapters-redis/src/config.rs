//! Where Redis is, what it is made of, and how long we wait for it.

use std::time::Duration;

use secrecy::SecretString;

/// How long we wait when nobody says.
const CONNECT: Duration = Duration::from_millis(500);
const RESPONSE: Duration = Duration::from_millis(500);
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Where Redis is and how long we wait for it.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS (rustls, with the process's crypto
    /// provider). Its user, password, database and TLS hold for every server of the topology; what its host means is
    /// the topology's.
    pub url: SecretString,
    /// What the servers are to each other.
    pub topology: RedisTopology,
    /// Certificates of authorities (PEM). They alone vouch for servers, in place of those that the system trusts.
    pub authorities: Option<Vec<u8>>,
    /// Before every key and channel. Two services on one Redis need two.
    pub key_prefix: String,
    /// The longest that connecting may take, greeting included; 500 ms. With sentinels or a Cluster, finding the
    /// server may take as long again.
    pub connect_timeout: Duration,
    /// The longest that a call may take, measured here; 500 ms.
    pub response_timeout: Duration,
    /// How often a listener asks whether the broadcast still reaches it; 5 s. A server that vanished without a
    /// word sends no message, and neither does one that has nothing to say.
    pub heartbeat: Duration,
}

/// What the servers of a Redis are to each other.
#[derive(Debug, Clone, Default)]
pub enum RedisTopology {
    /// One server, that of the URL, or one behind a stable address.
    #[default]
    Standalone,
    /// A primary that sentinels name. The host of [`RedisConfig::url`] is the name by which they know it.
    Sentinel {
        /// The sentinels' own URLs, with the credentials and the TLS that they ask for.
        sentinels: Vec<SecretString>,
    },
    /// A Cluster. [`RedisConfig::url`] is one of its nodes.
    Cluster {
        /// More of its nodes, `host:port`, to ask when that one is away.
        nodes: Vec<String>,
    },
}

impl RedisConfig {
    /// The usual settings for one server at `url`.
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

/// What is wrong with a [`RedisConfig`]. No value is repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedisConfig {
    /// In [`RedisConfig::url`].
    #[error("the URL of Redis is malformed, or its scheme is not supported")]
    Url,
    /// In [`RedisTopology::Sentinel`].
    #[error("there is no sentinel, or the URL of one is malformed")]
    Sentinels,
    /// In [`RedisTopology::Cluster`].
    #[error("a node of a Cluster is not named as host:port")]
    Nodes,
    /// In [`RedisConfig::url`], of a Cluster: it has one database.
    #[error("a Redis Cluster has no database but 0")]
    Database,
    /// In [`RedisConfig::authorities`].
    #[error("there is no certificate in PEM form, or one is malformed")]
    Authorities,
    /// In [`RedisConfig::key_prefix`], of a Cluster: the keys of one script have to live together.
    #[error("on a Redis Cluster the prefix of keys must hold a hash tag, such as {{fa}}:")]
    Prefix,
}

/// What a Cluster places a key by: what stands in its first pair of braces.
pub fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// Whether a Cluster keeps both keys on the same node, whatever its map.
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

    /// As the specification of Redis Cluster has it.
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
