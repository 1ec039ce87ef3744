//! `redis.…`: the state that nodes share besides the database.

use std::path::PathBuf;

use adapters_redis::hash_tag;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Config, kinds, reader::Reader};

const SCHEMES: &[&str] = &["redis", "rediss"];

/// The store of ephemeral state.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis.url`: `redis://` or `rediss://` (TLS). Absent (default): each node keeps the state in its own
    /// process, which suits a single node only.
    pub url: Option<SecretString>,
    /// `redis.mode`: the topology of the servers. Default `standalone`.
    pub mode: RedisMode,
    /// `redis.sentinel.urls`: the sentinels, each with its own credentials and TLS. Default none.
    pub sentinel_urls: Vec<SecretString>,
    /// `redis.cluster.nodes`: nodes of the Cluster besides that of `redis.url`, `host:port`. Default none.
    pub cluster_nodes: Vec<String>,
    /// `redis.ca_file`: the only certificate authorities to trust. Default: those of the system.
    pub ca_file: Option<PathBuf>,
    /// `redis.allow_weak_credentials`: allows production mode to start with a Redis that requires no password, or a
    /// well-known one. Default false.
    pub allow_weak_credentials: bool,
    /// `redis.key_prefix`: the prefix of all keys of the service, for a Redis that is shared. Default `fa:`, on a
    /// Cluster `{fa}:`.
    pub key_prefix: String,
}

/// The topology of the Redis servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisMode {
    /// One server.
    Standalone,
    /// A primary, discovered through sentinels.
    Sentinel,
    /// A Redis Cluster.
    Cluster,
}

const MODES: &[(&str, RedisMode)] = &[
    ("standalone", RedisMode::Standalone),
    ("sentinel", RedisMode::Sentinel),
    ("cluster", RedisMode::Cluster),
];

impl RedisSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url = reader.setting("redis.url", kinds::secret_url(SCHEMES));
        let mode = reader.setting("redis.mode", kinds::choice(MODES));
        let mode = mode.unwrap_or(RedisMode::Standalone);
        let prefix = match mode {
            RedisMode::Cluster => "{fa}:",
            RedisMode::Standalone | RedisMode::Sentinel => "fa:",
        };
        Self {
            url,
            mode,
            sentinel_urls: reader
                .setting(
                    "redis.sentinel.urls",
                    kinds::list(kinds::secret_url(SCHEMES)),
                )
                .unwrap_or_default(),
            cluster_nodes: reader
                .setting("redis.cluster.nodes", kinds::list(kinds::text))
                .unwrap_or_default(),
            ca_file: reader.setting("redis.ca_file", kinds::path),
            allow_weak_credentials: reader
                .setting("redis.allow_weak_credentials", kinds::flag)
                .unwrap_or(false),
            key_prefix: reader
                .setting("redis.key_prefix", kinds::text)
                .unwrap_or_else(|| prefix.to_owned()),
        }
    }

    /// The URLs of servers and of sentinels.
    pub(super) fn urls(&self) -> impl Iterator<Item = &SecretString> {
        self.url.iter().chain(&self.sentinel_urls)
    }
}

impl Config {
    /// Conflicts between settings of `redis`.
    pub(super) fn check_redis(&self, refuse: &mut impl FnMut(&'static str, &str)) {
        let redis = &self.redis;
        let (is_sentinel, is_cluster) = (
            redis.mode == RedisMode::Sentinel,
            redis.mode == RedisMode::Cluster,
        );
        if redis.mode != RedisMode::Standalone && !self.is_set("redis.url") {
            refuse(
                "redis.url",
                "must be set when redis.mode is sentinel or cluster",
            );
        }
        if is_sentinel && !self.is_set("redis.sentinel.urls") {
            let reason = "must be set when redis.mode is sentinel";
            refuse("redis.sentinel.urls", reason);
        }
        if !is_sentinel && self.is_set("redis.sentinel.urls") {
            let reason = "must not be set unless redis.mode is sentinel";
            refuse("redis.sentinel.urls", reason);
        }
        if !is_cluster && self.is_set("redis.cluster.nodes") {
            let reason = "must not be set unless redis.mode is cluster";
            refuse("redis.cluster.nodes", reason);
        }
        let url = redis.url.as_ref();
        if let Some(url) = url.and_then(|url| Url::parse(url.expose_secret()).ok()) {
            if is_sentinel && url.port().is_some() {
                let reason = "must not have a port when redis.mode is sentinel: in place of a host it \
                              has the name by which the sentinels know the primary";
                refuse("redis.url", reason);
            }
            if is_cluster && !["", "0"].contains(&url.path().trim_matches('/')) {
                let reason = "must not choose a database when redis.mode is cluster: there is one";
                refuse("redis.url", reason);
            }
        }
        if is_cluster && hash_tag(&redis.key_prefix).is_none() {
            let reason = "must hold a hash tag, such as {fa}:, when redis.mode is cluster: the keys of \
                          one script have to live on one node";
            refuse("redis.key_prefix", reason);
        }
        let speaks_tls = |url: &SecretString| url.expose_secret().starts_with("rediss://");
        if redis.ca_file.is_some() && !redis.urls().any(speaks_tls) {
            let reason = "must not be set without TLS: redis.url has to begin with rediss://, or one of \
                          redis.sentinel.urls";
            refuse("redis.ca_file", reason);
        }
    }
}
