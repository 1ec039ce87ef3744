//! Snapshots of live sessions in this process.

use std::sync::{
    Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use authentication_app::{
    caching::Intent,
    ports::{CacheError, Invalidation, KnownSession, LoadTicket, SessionCache, SessionSnapshot},
};
use authentication_domain::sessions::SessionId;
use common::{Clock, SecureRandom};
use moka::sync::Cache;
use time::{Duration, OffsetDateTime};

use crate::tombstones::Tombstones;

/// How long a tombstone is kept at least: longer than any load of a snapshot may take.
const TOMBSTONE_LIFE: Duration = Duration::minutes(1);

/// How many snapshots: some 2 KiB each.
const NEAR_SESSIONS: u64 = 50_000;

/// How many tombstones are kept at most (some 5 MiB). More than that in a minute costs a few needless
/// loads, never a wrong answer.
const MOST_TOMBSTONES: usize = 65_536;

/// The session cache of one process.
///
/// It is the whole cache in the embedded mode ([`Self::ALONE`]), and the near cache of each node in front of
/// Redis ([`Self::BESIDE_OTHERS`]). An account's change makes its kept snapshots invalid without looking for them: each `get`
/// compares the ticket it was loaded under with the account's tombstone.
pub struct MemorySessionCache {
    kept: Cache<SessionId, Arc<Kept>>,
    tombstones: RwLock<Tombstones>,
    intent: Intent,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
}

struct Kept {
    ticket: LoadTicket,
    due: OffsetDateTime,
    until: OffsetDateTime,
    is_being_refreshed: AtomicBool,
    snapshot: SessionSnapshot,
}

impl MemorySessionCache {
    /// For a node that is alone: nobody else can end a session.
    pub const ALONE: Intent = Intent {
        name: "sessions_alone",
        why: "every signed-in request asks whether its session is live, and the answer changes rarely",
        version: 1,
        ttl: Duration::MINUTE,
        jitter_percent: 20,
        early_percent: 25,
        capacity: NEAR_SESSIONS,
    }
    .checked();

    /// For one of several nodes, in front of what they share.
    pub const BESIDE_OTHERS: Intent = Intent {
        name: "sessions_near",
        why: "spares a round trip to Redis with every signed-in request; a second is the longest that a \
              revocation goes unnoticed while the broadcast is down",
        version: 1,
        ttl: Duration::SECOND,
        jitter_percent: 20,
        early_percent: 25,
        capacity: NEAR_SESSIONS,
    }
    .checked();

    /// Remembers nothing yet.
    pub fn new(intent: Intent, clock: Arc<dyn Clock>, random: Arc<dyn SecureRandom>) -> Self {
        Self {
            // This one's own clock only frees memory, and bounds a life when the wall clock is set back.
            kept: Cache::builder()
                .max_capacity(intent.capacity)
                .time_to_live(intent.ttl.unsigned_abs())
                .build(),
            tombstones: RwLock::new(Tombstones::new(
                TOMBSTONE_LIFE.max(intent.ttl),
                MOST_TOMBSTONES,
            )),
            intent,
            clock,
            random,
        }
    }

    /// What [`SessionCache::invalidate`] does, for those who cannot wait (a message from another node).
    pub fn forget(&self, invalidation: &Invalidation) {
        self.tombstones_mut().add(invalidation, self.clock.now());
        for session in &invalidation.ended {
            self.kept.invalidate(session);
        }
    }

    /// What [`SessionCache::clear`] does, for those who cannot wait. Loads under way are refused too: they
    /// may have begun before an invalidation that was missed.
    pub fn forget_everything(&self) {
        self.tombstones_mut().overtake_everything();
        self.kept.invalidate_all();
    }

    fn find(&self, session: SessionId) -> Option<KnownSession> {
        let kept = self.kept.get(&session)?;
        let now = self.clock.now();
        // Invariant: the tombstones are read after the snapshot, so that one left before this call counts.
        if now >= kept.until || self.overtook(kept.ticket, &kept.snapshot) {
            return None;
        }
        Some(KnownSession {
            snapshot: kept.snapshot.clone(),
            is_due: now >= kept.due && !kept.is_being_refreshed.swap(true, Ordering::Relaxed),
        })
    }

    fn overtook(&self, ticket: LoadTicket, snapshot: &SessionSnapshot) -> bool {
        self.tombstones()
            .overtook(ticket, snapshot.session, snapshot.owner.account.id)
    }

    fn tombstones(&self) -> RwLockReadGuard<'_, Tombstones> {
        self.tombstones
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn tombstones_mut(&self) -> RwLockWriteGuard<'_, Tombstones> {
        self.tombstones
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SessionCache for MemorySessionCache {
    fn intent(&self) -> Intent {
        self.intent
    }

    async fn get(&self, session: SessionId) -> Result<Option<KnownSession>, CacheError> {
        Ok(self.find(session))
    }

    async fn begin_load(&self) -> Result<LoadTicket, CacheError> {
        // Before the number is read: the load is no younger than that.
        let now = self.clock.now();
        Ok(self.tombstones().ticket(now))
    }

    async fn put(
        &self,
        ticket: LoadTicket,
        snapshot: &SessionSnapshot,
    ) -> Result<bool, CacheError> {
        // An invalidation between this look and the insertion is no harm: `find` looks again.
        let is_current = !self.overtook(ticket, snapshot);
        if is_current {
            let life = self.intent.life(self.random.as_ref());
            let kept = Kept {
                ticket,
                due: life.due(ticket.begun),
                until: life.until(ticket.begun),
                is_being_refreshed: AtomicBool::new(false),
                snapshot: snapshot.clone(),
            };
            self.kept.insert(snapshot.session, Arc::new(kept));
        }
        Ok(is_current)
    }

    async fn invalidate(&self, invalidation: &Invalidation) -> Result<(), CacheError> {
        self.forget(invalidation);
        Ok(())
    }

    async fn clear(&self) -> Result<(), CacheError> {
        self.forget_everything();
        Ok(())
    }
}
