//! The broadcast that tells every node at once which sessions and accounts have changed.

use std::future::Future;

use async_trait::async_trait;
use authentication_app::ports::{CacheError, Invalidation, RevocationChannel};
use deadpool_redis::redis::{Msg, aio::PubSub};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::{
    task::JoinHandle,
    time::{self, MissedTickBehavior},
};

use crate::{back_off::pause, connection::RedisConnection, health::Listening};

/// The broadcast among nodes (Redis pub/sub).
///
/// It is fire and forget: a node that is not connected misses messages. When it is connected again, it is notified of a
/// gap and empties its near cache. Until then, the short TTL of that cache is the bound. On a Cluster, every node
/// forwards what is published on any node.
///
/// `RedisSessionCache::invalidate` broadcasts in the same round trip as it writes its tombstones, and after them.
/// [`RevocationChannel::publish`] is for callers without a shared cache. Calling both broadcasts twice, which costs a
/// round trip and does no harm.
#[derive(Clone)]
pub struct RedisRevocations {
    redis: RedisConnection,
}

/// The format of a message.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Broadcast {
    Invalidation(Invalidation),
    Everything,
}

impl Broadcast {
    pub(crate) fn to_text(&self) -> Result<String, CacheError> {
        serde_json::to_string(self).map_err(|_| CacheError)
    }
}

impl RedisRevocations {
    /// Uses this connection for publishing; each listener opens its own.
    pub fn new(redis: RedisConnection) -> Self {
        Self { redis }
    }

    /// Listens in the background until `shutdown` completes, and reconnects without limit when the connection is lost.
    /// `on_invalidation` receives what other nodes (and this one) broadcast. `on_gap` is called whenever messages may
    /// have been missed: each time listening begins, including the first, and for a message that cannot be parsed (from
    /// a newer release).
    ///
    /// Both are called in the order of events, one at a time, and must not block.
    pub fn subscribe(
        &self,
        on_invalidation: impl Fn(Invalidation) + Send + Sync + 'static,
        on_gap: impl Fn() + Send + Sync + 'static,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let redis = self.redis.clone();
        *redis.listening() = Listening::Lost;
        let listening = async move {
            let mut failures = 0;
            loop {
                // After a failed attempt the server may be gone, and there may be no call that would notice it.
                match redis
                    .listen(&redis.keys().revocations(), failures > 0)
                    .await
                {
                    Ok(listener) => {
                        failures = 0;
                        tracing::info!("listening for revocations");
                        *redis.listening() = Listening::Hears;
                        on_gap();
                        listen(listener, &redis, &on_invalidation, &on_gap).await;
                        *redis.listening() = Listening::Lost;
                        tracing::warn!("lost the broadcast of revocations");
                    }
                    Err(reason) => {
                        failures += 1;
                        note_refusal(&redis, reason);
                    }
                }
                time::sleep(pause(failures)).await;
            }
        };
        tokio::spawn(async move {
            tokio::select! {
                () = listening => {}
                () = shutdown => {}
            }
        })
    }
}

/// Logs each reason once, since there is about one attempt per second.
fn note_refusal(redis: &RedisConnection, reason: String) {
    let refused = Listening::Refused(reason);
    let mut listening = redis.listening();
    if let Listening::Refused(reason) = &refused
        && *listening != refused
    {
        tracing::warn!(%reason, "cannot listen for revocations");
    }
    *listening = refused;
}

/// Passes messages on until the connection is lost, or its server no longer receives what is published.
async fn listen(
    listener: PubSub,
    redis: &RedisConnection,
    on_invalidation: &impl Fn(Invalidation),
    on_gap: &impl Fn(),
) {
    let (mut sink, mut messages) = listener.split();
    let mut lines = redis.lines();
    let mut heartbeat = time::interval(redis.heartbeat());
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let pass_on = |message: &Msg| match parse(message) {
        // An empty invalidation is a heartbeat of some node.
        Some(Broadcast::Invalidation(nothing)) if nothing.is_empty() => {}
        Some(Broadcast::Invalidation(invalidation)) => on_invalidation(invalidation),
        Some(Broadcast::Everything) | None => on_gap(),
    };
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => pass_on(&message),
                None => return,
            },
            _ = heartbeat.tick() => {
                // An open connection is not enough: the server may have left the Cluster, or may no longer replicate
                // from the primary.
                if redis.publish_nothing().await.is_ok() {
                    match time::timeout(redis.response_timeout(), messages.next()).await {
                        Ok(Some(message)) => pass_on(&message),
                        Ok(None) | Err(_) => return,
                    }
                } else {
                    let alive = time::timeout(redis.response_timeout(), sink.ping::<()>()).await;
                    if !matches!(alive, Ok(Ok(()))) {
                        return;
                    }
                }
                if redis.has_another_primary().await {
                    return;
                }
                // What the previous connection confirmed may be lost with its server.
                if redis.lines() != lines {
                    lines = redis.lines();
                    on_gap();
                }
            }
        }
    }
}

fn parse(message: &Msg) -> Option<Broadcast> {
    serde_json::from_slice(message.get_payload_bytes()).ok()
}

#[async_trait]
impl RevocationChannel for RedisRevocations {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn publish(&self, invalidation: &Invalidation) -> Result<(), CacheError> {
        let message = Broadcast::Invalidation(invalidation.clone()).to_text()?;
        self.redis
            .publish(&self.redis.keys().revocations(), &message)
            .await
            .map_err(|_| CacheError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Id;
    use uuid::Uuid;

    #[test]
    fn what_travels_between_releases_does_not_change_by_accident() {
        let told = Broadcast::Invalidation(Invalidation {
            ended: vec![Id::from_uuid(Uuid::from_u128(1))],
            changed: vec![Id::from_uuid(Uuid::from_u128(2))],
        });
        let text = told.to_text().unwrap();
        assert_eq!(
            text,
            r#"{"invalidation":{"ended":["00000000-0000-0000-0000-000000000001"],"changed":["00000000-0000-0000-0000-000000000002"]}}"#
        );
        assert_eq!(serde_json::from_str::<Broadcast>(&text).unwrap(), told);
        assert_eq!(Broadcast::Everything.to_text().unwrap(), r#""everything""#);
    }
}
