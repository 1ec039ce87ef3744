//! Snapshots of live sessions for all nodes.
//!
//! Everything is decided inside Redis, by scripts, in the order in which it arrives there. Loads and
//! invalidations are numbered by one clock; a snapshot carries the number of its load, an account that of
//! its last change, and the greater one is right. Every other node sees an invalidation from the moment it
//! is written, with no need to be told.
//!
//! An invalidation counts as told only when Redis has said so. Until then this node remembers it, and asks
//! Redis for nothing else before it is told: after an outage its own requests never see a session it ended
//! meanwhile. Other nodes may until then, for the 35 seconds that a snapshot lives at most; the same holds
//! should this process die before it could tell, or Redis fail over without having replicated.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use authentication_app::ports::{
    CacheError, Invalidation, LoadTicket, SessionCache, SessionSnapshot,
};
use authentication_domain::sessions::SessionId;
use deadpool_redis::redis::Script;
use time::Duration;

use crate::{
    connection::RedisConnection,
    missed::{Batch, Missed, What},
    revocations::Broadcast,
};

/// How long a snapshot is kept, before jitter. Should every other safeguard fail, a revoked session is dead
/// after this time.
const SNAPSHOT_LIFE: Duration = Duration::seconds(30);

/// A load that took longer is refused.
const LONGEST_LOAD: Duration = Duration::seconds(60);

// Invariant: longer than any load, and than any snapshot with its jitter.
const TOMBSTONE_LIFE: Duration = Duration::seconds(120);

/// After a day without a load or an invalidation nothing is left that a number could be compared with.
const CLOCK_LIFE: Duration = Duration::DAY;

/// The session cache that all nodes share.
pub struct RedisSessionCache {
    redis: RedisConnection,
    life: Duration,
    scripts: Scripts,
    missed: Mutex<Missed>,
    /// Held while Redis is told, so that nobody passes what is being told.
    telling: tokio::sync::Mutex<()>,
}

struct Scripts {
    begin_load: Script,
    get: Script,
    put: Script,
    invalidate: Script,
    clear: Script,
}

macro_rules! with_clock {
    ($file:literal) => {
        Script::new(concat!(include_str!("lua/tick.lua"), include_str!($file)))
    };
}

impl RedisSessionCache {
    /// Keeps snapshots for 30 seconds and up to 5 more.
    pub fn new(redis: RedisConnection) -> Self {
        Self {
            redis,
            life: SNAPSHOT_LIFE,
            scripts: Scripts {
                begin_load: with_clock!("lua/begin_load.lua"),
                get: Script::new(include_str!("lua/get.lua")),
                put: Script::new(include_str!("lua/put.lua")),
                invalidate: with_clock!("lua/invalidate.lua"),
                clear: with_clock!("lua/clear.lua"),
            },
            missed: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
        }
    }

    /// Keeps snapshots for `life` instead, and up to a sixth longer; a minute at most.
    #[must_use]
    pub fn with_snapshot_life(self, life: Duration) -> Self {
        Self {
            life: life.min(Duration::MINUTE),
            ..self
        }
    }

    /// Tells Redis what it missed, if anything. Every call does so first; calling it by itself (when the
    /// broadcast is heard again, say) spares the other nodes the wait for this one's next request.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn tell_missed(&self) -> Result<(), CacheError> {
        if self.missed().is_empty() {
            return Ok(());
        }
        // Spares whoever comes during an outage the making of a long message, and the queue.
        if self.redis.is_away() {
            return Err(CacheError);
        }
        let _telling = self.telling.lock().await;
        let Some(batch) = self.missed().batch() else {
            // Told by somebody else meanwhile.
            return Ok(());
        };
        self.tell(&batch).await?;
        self.missed().confirm(&batch);
        Ok(())
    }

    async fn tell(&self, batch: &Batch) -> Result<(), CacheError> {
        let keys = self.redis.keys();
        match &batch.what {
            What::These(invalidation) => {
                let message = Broadcast::Invalidation(invalidation.clone()).to_text()?;
                let mut call = self.scripts.invalidate.prepare_invoke();
                call.key(keys.clock());
                for session in &invalidation.ended {
                    call.key(keys.session(*session)).key(keys.ended(*session));
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

    /// The life of one snapshot in milliseconds. The microsecond in which its load began spreads it: what
    /// was loaded together does not expire together.
    fn spread_life(&self, ticket: LoadTicket) -> u64 {
        let life = millis(self.life);
        life + ticket.0 % (life / 6 + 1)
    }

    fn missed(&self) -> MutexGuard<'_, Missed> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.whole_milliseconds()).unwrap_or(0)
}

#[async_trait]
impl SessionCache for RedisSessionCache {
    #[tracing::instrument(level = "debug", skip_all)]
    async fn get(&self, session: SessionId) -> Result<Option<SessionSnapshot>, CacheError> {
        self.tell_missed().await?;
        let keys = self.redis.keys();
        let mut call = self.scripts.get.prepare_invoke();
        call.key(keys.session(session))
            .key(keys.clock())
            .arg(keys.changed_prefix());
        let kept: Option<Vec<u8>> = self.redis.run(&call).await?;
        // What another release wrote is as good as nothing.
        Ok(kept.and_then(|kept| serde_json::from_slice(&kept).ok()))
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn begin_load(&self) -> Result<LoadTicket, CacheError> {
        self.tell_missed().await?;
        let mut call = self.scripts.begin_load.prepare_invoke();
        call.key(self.redis.keys().clock()).arg(millis(CLOCK_LIFE));
        self.redis.run(&call).await.map(LoadTicket)
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn put(&self, ticket: LoadTicket, snapshot: &SessionSnapshot) -> Result<(), CacheError> {
        self.tell_missed().await?;
        let keys = self.redis.keys();
        let (session, account) = (snapshot.session, snapshot.owner.account.id);
        let mut call = self.scripts.put.prepare_invoke();
        call.key(keys.session(session)).key(keys.ended(session));
        call.key(keys.changed(account)).key(keys.clock());
        call.arg(ticket.0).arg(account.to_string());
        call.arg(serde_json::to_vec(snapshot).map_err(|_| CacheError)?);
        call.arg(self.spread_life(ticket))
            .arg(millis(LONGEST_LOAD) * 1_000);
        self.redis.run(&call).await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn invalidate(&self, invalidation: &Invalidation) -> Result<(), CacheError> {
        // Remembered before it is told, so that neither an error nor a caller that goes away loses it.
        self.missed().add(invalidation);
        self.tell_missed().await
    }

    #[tracing::instrument(level = "debug", skip_all)]
    async fn clear(&self) -> Result<(), CacheError> {
        self.missed().add_everything();
        self.tell_missed().await
    }
}
