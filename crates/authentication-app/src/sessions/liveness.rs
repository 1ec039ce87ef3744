//! Whether a session is live, answered from the nearest cache that knows.

use std::sync::Arc;

use authentication_domain::sessions::SessionId;
use time::OffsetDateTime;

use crate::ports::{
    IdentityStore, Invalidation, RevocationChannel, SessionCache, SessionSnapshot, StoreError,
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
}

impl Liveness {
    /// Built once by the composition root.
    pub const fn new(
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
        }
    }

    /// The session with its account, if it is live at `now`.
    pub(crate) async fn find(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        // A snapshot that looks expired may have been prolonged by a refresh since: the store knows.
        let live = |snapshot: &SessionSnapshot| snapshot.is_live(now);
        if let Some(snapshot) = known(self.near.as_ref(), session).await.filter(live) {
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
        if let Some(snapshot) = known(shared.as_ref(), session).await
            && snapshot.is_live(now)
        {
            return Ok(Some(snapshot));
        }
        let ticket = shared.begin_load().await.ok();
        let found = self.store.find_snapshot(session, now).await?;
        if let (Some(snapshot), Some(ticket)) = (&found, ticket) {
            let _ = shared.put(ticket, snapshot).await;
        }
        Ok(found)
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

async fn known(cache: &dyn SessionCache, session: SessionId) -> Option<SessionSnapshot> {
    cache.get(session).await.ok().flatten()
}
