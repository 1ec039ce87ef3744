//! Snapshots of live sessions, shared by all nodes.
//!
//! Scripts make every decision inside Redis, in the order in which they arrive there. A single clock numbers loads and
//! invalidations. A snapshot carries the number of its load, an account the number of its last change; the greater
//! number wins. Every other node sees an invalidation as soon as it is written, without any notification.
//!
//! An invalidation counts as done only when Redis has confirmed it. Until then this node remembers it, and sends it
//! before any other request to Redis. So after an outage, this node's requests never see a session that it ended during
//! the outage. Other nodes may see it until then, for at most the 35 seconds that a snapshot lives; the same holds if
//! this process dies before it could send the invalidation. Recent invalidations are sent again over every new
//! connection, because after a fail-over the new primary may lack them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use authentication_app::{
    caching::Intent,
    ports::{CacheError, Invalidation, KnownSession, LoadTicket, SessionCache, SessionSnapshot},
};
use authentication_domain::sessions::SessionId;
use common::clock::from_micros;
use deadpool_redis::redis::Script;
use time::Duration;
use tokio::time::Instant;

use crate::{
    connection::RedisConnection,
    missed::{Batch, Missed, What},
    revocations::Broadcast,
    ticking::{BeginLoad, CLOCK_LIFE, millis, with_clock},
};

/// The time limit for a load. A snapshot whose load took longer is refused.
const LONGEST_LOAD: Duration = Duration::seconds(60);

// Invariant: longer than any load, and longer than the life of any snapshot with its jitter.
const TOMBSTONE_LIFE: Duration = Duration::seconds(120);

/// The session cache that all nodes share.
pub struct RedisSessionCache {
    redis: RedisConnection,
    intent: Intent,
    scripts: Scripts,
    missed: Mutex<Missed>,
    /// Held while pending invalidations are sent, so that no other request overtakes them.
    telling: tokio::sync::Mutex<()>,
}

struct Scripts {
    begin_load: BeginLoad,
    get: Script,
    put: Script,
    invalidate: Script,
    clear: Script,
}

impl RedisSessionCache {
    /// If every other safeguard fails, a revoked session is gone when its snapshot expires: after 30 to 35 seconds.
    pub const INTENT: Intent = Intent {
        name: "sessions",
        why: "all nodes ask whether a session is live, every second while it is used; spares the database \
              that",
        version: 3,
        ttl: Duration::seconds(35),
        jitter_percent: 14,
        early_percent: 20,
        capacity: 0,
    }
    .checked();

    /// A session cache over this connection, with [`Self::INTENT`].
    pub fn new(redis: RedisConnection) -> Self {
        Self {
            redis,
            intent: Self::INTENT,
            scripts: Scripts {
                begin_load: BeginLoad::new(),
                get: Script::new(include_str!("lua/get.lua")),
                put: Script::new(include_str!("lua/put.lua")),
                invalidate: with_clock!("lua/invalidate.lua"),
                clear: with_clock!("lua/clear.lua"),
            },
            missed: Mutex::new(Missed::remembering(TOMBSTONE_LIFE.unsigned_abs())),
            telling: tokio::sync::Mutex::default(),
        }
    }

    /// Keeps snapshots by another intent, for one minute at most. Tests use it to imitate another release.
    #[must_use]
    pub fn with_intent(self, intent: Intent) -> Self {
        let ttl = intent.ttl.min(Duration::MINUTE);
        Self {
            intent: Intent { ttl, ..intent },
            ..self
        }
    }

    /// Sends pending invalidations to Redis, if there are any. Every call does this first. Calling it explicitly (for
    /// example when the broadcast is received again) means that other nodes need not wait for this node's next request.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn tell_missed(&self) -> Result<(), CacheError> {
        if !self.has_to_tell() {
            return Ok(());
        }
        // During an outage, callers neither queue nor build a long message.
        if self.redis.is_away() {
            return Err(CacheError);
        }
        let _telling = self.telling.lock().await;
        let Some(batch) = self.missed().batch() else {
            // Another caller has sent them in the meantime.
            return Ok(());
        };
        self.tell(&batch).await?;
        self.missed().confirm(batch, Instant::now());
        Ok(())
    }

    fn has_to_tell(&self) -> bool {
        let mut missed = self.missed();
        missed.is_over(self.redis.lines(), Instant::now());
        !missed.is_empty()
    }

    async fn tell(&self, batch: &Batch) -> Result<(), CacheError> {
        let keys = self.redis.keys();
        match &batch.what {
            What::These(invalidation) => {
                let message = Broadcast::Invalidation(invalidation.clone()).to_text()?;
                let mut call = self.scripts.invalidate.prepare_invoke();
                call.key(keys.clock());
                for session in &invalidation.ended {
                    call.key(keys.session(&self.intent, *session));
                    call.key(keys.ended(*session));
                }
                for account in &invalidation.changed {
                    call.key(keys.changed(*account));
                }
                call.arg(millis(CLOCK_LIFE)).arg(millis(TOMBSTONE_LIFE));
                call.arg(invalidation.ended.len())
                    .arg(keys.revocations())
                    .arg(message);
                self.redis.run(&call).await
            }
            What::Everything => {
                let message = Broadcast::Everything.to_text()?;
                let mut call = self.scripts.clear.prepare_invoke();
                call.key(keys.clock());
                call.arg(millis(CLOCK_LIFE))
                    .arg(keys.revocations())
                    .arg(message);
                self.redis.run(&call).await
            }
        }
    }

    /// The life of a snapshot in milliseconds. Its jitter comes from the microsecond in which the load began.
    fn spread_life(&self, ticket: LoadTicket) -> u64 {
        let draw = u16::try_from(ticket.number % 0xffff).unwrap_or(0);
        millis(self.intent.life_by(draw).total)
    }

    fn missed(&self) -> MutexGuard<'_, Missed> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionCache for RedisSessionCache {
    fn intent(&self) -> Intent {
        self.intent
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn get(&self, session: SessionId) -> Result<Option<KnownSession>, CacheError> {
        self.tell_missed().await?;
        let keys = self.redis.keys();
        let mut call = self.scripts.get.prepare_invoke();
        call.key(keys.session(&self.intent, session));
        call.key(keys.ended(session)).key(keys.clock());
        call.arg(keys.changed_prefix());
        call.arg(millis(self.intent.life_by(0).early));
        let kept: Option<(Vec<u8>, bool)> = self.redis.run(&call).await?;
        // A snapshot that cannot be parsed is a miss.
        Ok(kept.and_then(|(kept, is_due)| {
            let snapshot = serde_json::from_slice(&kept).ok()?;
            Some(KnownSession { snapshot, is_due })
        }))
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn begin_load(&self) -> Result<LoadTicket, CacheError> {
        self.tell_missed().await?;
        let call = self.scripts.begin_load.of(self.redis.keys());
        let number: u64 = self.redis.run(&call).await?;
        // The ticket number is the server's time in microseconds.
        let begun = from_micros(i64::try_from(number).unwrap_or(0));
        Ok(LoadTicket { number, begun })
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn put(
        &self,
        ticket: LoadTicket,
        snapshot: &SessionSnapshot,
    ) -> Result<bool, CacheError> {
        self.tell_missed().await?;
        let keys = self.redis.keys();
        let (session, account) = (snapshot.session, snapshot.owner.account.id);
        let mut call = self.scripts.put.prepare_invoke();
        call.key(keys.session(&self.intent, session));
        call.key(keys.ended(session));
        call.key(keys.changed(account)).key(keys.clock());
        call.arg(ticket.number).arg(account.to_string());
        call.arg(serde_json::to_vec(snapshot).map_err(|_| CacheError)?);
        call.arg(self.spread_life(ticket))
            .arg(millis(LONGEST_LOAD) * 1_000);
        self.redis.run(&call).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn invalidate(&self, invalidation: &Invalidation) -> Result<(), CacheError> {
        // Remembered before it is sent, so that neither an error nor a cancelled caller loses it.
        self.missed().add(invalidation);
        self.tell_missed().await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn clear(&self) -> Result<(), CacheError> {
        self.missed().add_everything();
        self.tell_missed().await
    }
}
