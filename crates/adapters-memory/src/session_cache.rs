//! Snapshots of live sessions in this process.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use authentication_app::ports::{
    CacheError, Invalidation, LoadTicket, SessionCache, SessionSnapshot,
};
use authentication_domain::sessions::SessionId;
use common::clock::Clock;
use moka::sync::Cache;
use time::{Duration, OffsetDateTime};

use crate::tombstones::Tombstones;

/// How long a tombstone is kept at least: longer than any load of a snapshot may take.
const TOMBSTONE_LIFE: Duration = Duration::minutes(1);

/// How many tombstones are kept at most (some 5 MiB). More than that in a minute costs a few needless
/// loads, never a wrong answer.
const MOST_TOMBSTONES: usize = 65_536;

/// The session cache of one process.
///
/// It is the whole cache in the embedded mode (a life of a minute), and the near cache of each node in
/// front of Redis (a life of a second, the longest that a revocation can go unnoticed when the broadcast
/// is down). An account's change makes its kept snapshots invalid without looking for them: each `get`
/// compares the ticket it was loaded under with the account's tombstone.
pub struct MemorySessionCache {
    kept: Cache<SessionId, Arc<Kept>>,
    tombstones: RwLock<Tombstones>,
    ttl: Duration,
    clock: Arc<dyn Clock>,
}

struct Kept {
    ticket: LoadTicket,
    until: OffsetDateTime,
    snapshot: SessionSnapshot,
}

impl MemorySessionCache {
    /// Keeps at most `capacity` snapshots (1 to 2 KiB each), each for `ttl`.
    pub fn new(capacity: u64, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            // This one's own clock only frees memory, and bounds a life when the wall clock is set back.
            kept: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(ttl.unsigned_abs())
                .build(),
            tombstones: RwLock::new(Tombstones::new(TOMBSTONE_LIFE.max(ttl), MOST_TOMBSTONES)),
            ttl,
            clock,
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

    fn find(&self, session: SessionId) -> Option<SessionSnapshot> {
        let kept = self.kept.get(&session)?;
        if self.clock.now() >= kept.until {
            return None;
        }
        // Invariant: the tombstones are read after the snapshot, so that one left before this call counts.
        let overtaken = self.overtook(kept.ticket, &kept.snapshot);
        (!overtaken).then(|| kept.snapshot.clone())
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
    async fn get(&self, session: SessionId) -> Result<Option<SessionSnapshot>, CacheError> {
        Ok(self.find(session))
    }

    async fn begin_load(&self) -> Result<LoadTicket, CacheError> {
        Ok(self.tombstones().ticket())
    }

    async fn put(&self, ticket: LoadTicket, snapshot: &SessionSnapshot) -> Result<(), CacheError> {
        // An invalidation between this look and the insertion is no harm: `find` looks again.
        if !self.overtook(ticket, snapshot) {
            let kept = Kept {
                ticket,
                until: self.clock.now() + self.ttl,
                snapshot: snapshot.clone(),
            };
            self.kept.insert(snapshot.session, Arc::new(kept));
        }
        Ok(())
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
