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

/// The minimum TTL of a tombstone: longer than a load of a snapshot may take.
const TOMBSTONE_LIFE: Duration = Duration::minutes(1);

/// The most snapshots; each takes about 2 KiB.
const NEAR_SESSIONS: u64 = 50_000;

/// The most tombstones (about 5 MiB). More than that within a minute cost a few unnecessary loads, and never lead to a
/// wrong answer.
const MOST_TOMBSTONES: usize = 65_536;

/// The session cache of one process.
///
/// It is the entire cache in the embedded mode ([`Self::ALONE`]), and the near cache of each node in front of Redis
/// ([`Self::BESIDE_OTHERS`]). A change of an account invalidates its snapshots without searching for them: each `get`
/// compares the ticket of the snapshot's load with the account's tombstone.
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
    /// For a single node: no other node can end a session.
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

    /// For one of several nodes, in front of the shared cache.
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

    /// An empty cache.
    pub fn new(intent: Intent, clock: Arc<dyn Clock>, random: Arc<dyn SecureRandom>) -> Self {
        Self {
            // The TTL of `moka` only frees memory, and bounds an entry's life if the wall clock is set back.
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

    /// Does what [`SessionCache::invalidate`] does, for synchronous callers (a message from another node).
    pub fn forget(&self, invalidation: &Invalidation) {
        self.tombstones_mut().add(invalidation, self.clock.now());
        for session in &invalidation.ended {
            self.kept.invalidate(session);
        }
    }

    /// Does what [`SessionCache::clear`] does, for synchronous callers. Loads in progress are refused too, since they
    /// may have begun before an invalidation that was missed.
    pub fn forget_everything(&self) {
        self.tombstones_mut().overtake_everything();
        self.kept.invalidate_all();
    }

    fn find(&self, session: SessionId) -> Option<KnownSession> {
        let kept = self.kept.get(&session)?;
        let now = self.clock.now();
        // Invariant: the tombstones are read after the snapshot, so that every tombstone from before this call is seen.
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
        // The time is read before the number, so that the load never looks younger than it is.
        let now = self.clock.now();
        Ok(self.tombstones().ticket(now))
    }

    async fn put(
        &self,
        ticket: LoadTicket,
        snapshot: &SessionSnapshot,
    ) -> Result<bool, CacheError> {
        // An invalidation between this check and the insertion does no harm, because `find` checks again.
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
