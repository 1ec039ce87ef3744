//! Telling every node at once what is not true any more.

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
/// It is fire and forget: who is not connected misses it, is told of a gap when it is again, and empties
/// its near cache then. Until then that cache's short life is the bound.
/// On a Cluster every node passes on what is published on any.
///
/// `RedisSessionCache::invalidate` broadcasts by itself, in the same round trip as its tombstones and after
/// them. [`RevocationChannel::publish`] is for whoever has no shared cache to tell; calling both tells
/// everybody twice, which costs a round trip and does no harm.
#[derive(Clone)]
pub struct RedisRevocations {
    redis: RedisConnection,
}

/// What travels.
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
    /// Over this connection; each listener opens one more of its own.
    pub fn new(redis: RedisConnection) -> Self {
        Self { redis }
    }

    /// Listens in the background until `shutdown` completes, and for ever comes back when the connection is
    /// lost. `on_invalidation` gets what others (and this node) broadcast. `on_gap` is called whenever
    /// something may have been missed: each time listening begins, also the first, and when a message
    /// makes no sense (a newer release's).
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
                // Where the last attempt failed there may be nobody any more, and no call that would notice.
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

/// Told in the log once for each reason: it is tried about once a second.
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

/// Passes messages on until the connection is lost, or leads to where nothing is told any more.
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
        // A heartbeat of somebody's.
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
                // A connection that is one is not enough: the server may be no part of the Cluster any more, or
                // no primary's replica.
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
                // What was told over the connection before may be lost with its server.
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
