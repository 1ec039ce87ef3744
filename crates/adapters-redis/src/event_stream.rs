//! Events in a Redis stream, for other systems to read.
//!
//! An entry has the fields `id`, `type`, `subject`, `time` (microseconds since the epoch) and `event`, the complete
//! event as CloudEvents JSON. A repeated delivery is another entry with the same `id`. The stream is trimmed to its
//! newest entries, and lasts only as long as Redis keeps its data: without persistence, a restart loses it.

use async_trait::async_trait;
use authentication_app::ports::{EventSink, OutgoingEvent, SinkError};
use common::clock::to_micros;
use deadpool_redis::redis::cmd;
use time::OffsetDateTime;

use crate::connection::RedisConnection;

/// Appends events to one stream, with one `XADD` each.
pub struct RedisEventStream {
    redis: RedisConnection,
    key: String,
    length: u64,
}

impl RedisEventStream {
    /// Appends to the stream `key`, which is the full name (no prefix is added), and trims it to about `length`
    /// entries. On a Cluster it may be on a different node than the keys under our prefix.
    pub fn new(redis: &RedisConnection, key: String, length: u64) -> Self {
        Self {
            redis: redis.of_key(&key),
            key,
            length,
        }
    }
}

#[async_trait]
impl EventSink for RedisEventStream {
    #[tracing::instrument(name = "redis.append_event", level = "debug", skip_all)]
    async fn deliver(&self, event: &OutgoingEvent, _now: OffsetDateTime) -> Result<(), SinkError> {
        let mut append = cmd("XADD");
        append
            .arg(&self.key)
            .arg(&["MAXLEN", "~"])
            .arg(self.length)
            .arg("*")
            .arg(&["id", &event.id.to_string()])
            .arg(&["type", &event.type_name])
            .arg(&["subject", &event.account.to_string()])
            .arg(&["time", &to_micros(event.at).to_string()])
            .arg(&["event", &event.body]);
        self.redis
            .command(&append)
            .await
            .map_err(|_| SinkError::away("Redis does not take it"))
    }
}
