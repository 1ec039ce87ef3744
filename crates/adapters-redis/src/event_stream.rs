//! Events for whoever reads a Redis stream.
//!
//! An entry has the fields `id`, `type`, `subject`, `time` (microseconds since the epoch) and `event`, the
//! whole event as CloudEvents JSON. A repetition is another entry with the same `id`. The stream is as lasting
//! as its Redis: cut to its newest entries, and gone with a server that keeps nothing.

use async_trait::async_trait;
use authentication_app::ports::{EventSink, OutgoingEvent, SinkError};
use common::clock::to_micros;
use deadpool_redis::redis::cmd;
use time::OffsetDateTime;

use crate::connection::RedisConnection;

/// Appends events to one stream, in one command each.
pub struct RedisEventStream {
    redis: RedisConnection,
    key: String,
    length: u64,
}

impl RedisEventStream {
    /// On the stream `key`, the whole name of it, which keeps about `length` entries. On a Cluster it may live on
    /// another node than what is kept under our prefix.
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
