//! Whether a session is live, answered from the nearest cache that knows.

use std::sync::Arc;

use authentication_domain::sessions::SessionId;
use time::OffsetDateTime;

use crate::ports::{
    CacheAnswer, CacheName, IdentityStore, Invalidation, Measure, Meter, NoMeter,
    RevocationChannel, SessionCache, SessionSnapshot, StoreError,
};

/// The caches of live sessions in front of the store.
///
/// `near` is this node's; `shared`, where there is one, is all nodes'. A cache that cannot be asked is
/// passed over: the store is the truth and answers in its place.
#[derive(Clone)]
pub struct Liveness {
    store: Arc<dyn IdentityStore>,
    near: Arc<dyn SessionCache>,
    shared: Option<Arc<dyn SessionCache>>,
    others: Arc<dyn RevocationChannel>,
    meter: Arc<dyn Meter>,
}

impl Liveness {
    /// Built once by the composition root.
    pub fn new(
        store: Arc<dyn IdentityStore>,
        near: Arc<dyn SessionCache>,
        shared: Option<Arc<dyn SessionCache>>,
        others: Arc<dyn RevocationChannel>,
    ) -> Self {
        Self {
            store,
            near,
            shared,
            others,
            meter: Arc::new(NoMeter),
        }
    }

    /// Tells what the caches answer.
    #[must_use]
    pub fn metered(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = meter;
        self
    }

    /// The session with its account, if it is live at `now`.
    pub(crate) async fn find(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let near = (self.near.as_ref(), CacheName::SessionsNear);
        if let Some(snapshot) = self.known(near, session, now).await {
            return Ok(Some(snapshot));
        }
        let near_ticket = self.near.begin_load().await.ok();
        let found = self.find_beyond(session, now).await?;
        if let (Some(snapshot), Some(ticket)) = (&found, near_ticket) {
            // A full or broken near cache costs a read next time, nothing else.
            let _ = self.near.put(ticket, snapshot).await;
        }
        Ok(found)
    }

    async fn find_beyond(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let Some(shared) = &self.shared else {
            return self.store.find_snapshot(session, now).await;
        };
        let asked = (shared.as_ref(), CacheName::SessionsShared);
        if let Some(snapshot) = self.known(asked, session, now).await {
            return Ok(Some(snapshot));
        }
        let ticket = shared.begin_load().await.ok();
        let found = self.store.find_snapshot(session, now).await?;
        if let (Some(snapshot), Some(ticket)) = (&found, ticket) {
            let _ = shared.put(ticket, snapshot).await;
        }
        Ok(found)
    }

    /// What a cache knows of the session, if that can be believed: a snapshot that looks expired may have
    /// been prolonged by a refresh since, and then the store knows.
    async fn known(
        &self,
        (cache, name): (&dyn SessionCache, CacheName),
        session: SessionId,
        now: OffsetDateTime,
    ) -> Option<SessionSnapshot> {
        let asked = cache.get(session).await;
        let answer = asked.map(|known| known.filter(|snapshot| snapshot.is_live(now)));
        let told = match &answer {
            Ok(Some(_)) => CacheAnswer::Hit,
            Ok(None) => CacheAnswer::Miss,
            Err(_) => CacheAnswer::Unavailable,
        };
        self.meter.note(Measure::Cache(name, told));
        answer.ok().flatten()
    }

    /// Makes a revocation known: on this node before it returns, on all others as soon as they hear of it.
    ///
    /// Called right after the commit that made it true. A cache that cannot be told remembers it for
    /// when it can (its adapter's promise); the other nodes' near caches live for a second at the most.
    pub async fn revoke(&self, invalidation: &Invalidation) {
        if invalidation.is_empty() {
            return;
        }
        let near = self.near.invalidate(invalidation).await;
        let shared = match &self.shared {
            Some(shared) => shared.invalidate(invalidation).await,
            None => Ok(()),
        };
        let others = self.others.publish(invalidation).await;
        if near.and(shared).and(others).is_err() {
            tracing::warn!("a revocation could not be told to every cache; they will catch up");
        }
    }

    /// Takes in what another node revoked.
    pub async fn hear(&self, invalidation: &Invalidation) {
        let _ = self.near.invalidate(invalidation).await;
    }

    /// Forgets this node's snapshots, after revocations may have been missed.
    pub async fn forget(&self) {
        let _ = self.near.clear().await;
    }
}
