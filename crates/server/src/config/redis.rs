//! `redis.…`: what nodes share besides the database.

use secrecy::SecretString;

use super::{kinds, reader::Reader};

/// Ephemeral state.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// `redis.url`: `redis://` or `rediss://` (TLS). Absent (default): each node keeps its own in its
    /// process, which is right for one node only.
    pub url: Option<SecretString>,
    /// `redis.allow_weak_credentials`: lets production mode start on a Redis that asks for no password, or for a
    /// well-known one. Default false.
    pub allow_weak_credentials: bool,
    /// `redis.key_prefix`: what all our keys begin with, for a Redis that others use too. Default `fa:`.
    /// On Redis Cluster it has to be a hash tag, such as `{fa}:`.
    pub key_prefix: String,
}

impl RedisSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            url: reader.setting("redis.url", kinds::secret_url(&["redis", "rediss"])),
            allow_weak_credentials: reader
                .setting("redis.allow_weak_credentials", kinds::flag)
                .unwrap_or(false),
            key_prefix: reader
                .setting("redis.key_prefix", kinds::text)
                .unwrap_or_else(|| "fa:".to_owned()),
        }
    }
}
