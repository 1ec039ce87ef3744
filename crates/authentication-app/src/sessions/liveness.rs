//! Whether a session is live, answered from the nearest cache that knows.
//!
//! ```text
//!   near cache    this node's: a second beside other nodes, a minute alone
//!        │ miss, or due for its early refresh: one flight for all who ask
//!   shared cache  all nodes', where there is one
//!        │ miss, or due for its early refresh: one node is told so
//!   the store     the truth
//! ```

use std::sync::Arc;

use authentication_domain::{accounts::AccountId, sessions::SessionId};
use time::{Duration, OffsetDateTime};
use tracing::Instrument as _;

use crate::{
    accounts::People,
    caching::{Boarding, Counters, Flight, Flights, Ledger},
    ports::{
        CacheError, Invalidation, KnownSession, LoadTicket, Outage, RevocationChannel,
        SessionCache, SessionQueries, SessionSnapshot, StoreError,
    },
};

/// How often a caller waits for a load that others began before it loads by itself.
const FLIGHTS: u8 = 2;

/// The caches of live sessions in front of the store.
///
/// A cache that cannot be asked is passed over: the store is the truth and answers in its place.
#[derive(Clone)]
pub struct Liveness(Arc<Inner>);

/// What remembers sessions, and who is told when one is not live any more.
pub struct SessionCaches {
    /// This node's.
    pub near: Arc<dyn SessionCache>,
    /// All nodes', where there are several.
    pub shared: Option<Arc<dyn SessionCache>>,
    /// The other nodes.
    pub others: Arc<dyn RevocationChannel>,
    /// What else this node remembers of accounts.
    pub people: People,
}

struct Inner {
    store: Arc<dyn SessionQueries>,
    near: Counted,
    shared: Option<Counted>,
    others: Arc<dyn RevocationChannel>,
    people: People,
    /// Invariant: by the number of the last invalidation too, so that nobody who asks after a revocation
    /// joins a load that began before it.
    flights: Flights<(SessionId, u64), Arc<Landed>>,
}

struct Counted {
    cache: Arc<dyn SessionCache>,
    counters: Arc<Counters>,
}

/// What one flight brought.
struct Landed {
    begun: OffsetDateTime,
    found: Result<Option<SessionSnapshot>, StoreError>,
}

impl Liveness {
    /// Built once by the composition root.
    pub fn new(store: Arc<dyn SessionQueries>, caches: SessionCaches, ledger: &Ledger) -> Self {
        let counted = |cache: Arc<dyn SessionCache>| Counted {
            counters: ledger.open(cache.intent()),
            cache,
        };
        Self(Arc::new(Inner {
            store,
            near: counted(caches.near),
            shared: caches.shared.map(counted),
            others: caches.others,
            people: caches.people,
            flights: Flights::new(),
        }))
    }

    /// The session with its account, if it is live at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let near = &self.0.near;
        if let Some(known) = near.known(session, now).await {
            return Ok(Some(self.used(known, now).await));
        }
        let mut was_lost = false;
        for _ in 0..FLIGHTS {
            let Ok(ticket) = near.cache.begin_load().await else {
                break;
            };
            let (flight, boarding) = self.board(session, ticket, now, None);
            if boarding == Boarding::Began {
                near.counters.load();
            }
            let landed = flight.landed().await;
            was_lost = landed.is_err();
            if let Ok(landed) = landed
                && landed.answers(now, near.cache.intent().ttl)
            {
                return landed.repeated();
            }
        }
        if was_lost {
            return Err(StoreError::Unavailable(Outage::Silent));
        }
        self.0.find_beyond(session, now).await
    }

    /// What this node remembers of a session that is live at `now`; it asks nobody. Whoever gets nothing may
    /// ask [`Self::find`], which counts what the cache did for them.
    pub async fn remembered(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Option<SessionSnapshot> {
        let known = self.0.near.peek(session, now).await.ok().flatten()?;
        self.0.near.counters.hit();
        Some(self.used(known, now).await)
    }

    async fn used(&self, known: KnownSession, now: OffsetDateTime) -> SessionSnapshot {
        if known.is_due {
            self.refresh(&known.snapshot, now).await;
        }
        known.snapshot
    }

    /// Loads a session anew while its snapshot may still be used.
    async fn refresh(&self, known: &SessionSnapshot, now: OffsetDateTime) {
        if let Ok(ticket) = self.0.near.cache.begin_load().await {
            self.0.near.counters.early_refresh();
            let account = known.owner.account.id;
            // Nobody waits for it.
            let _ = self.board(known.session, ticket, now, Some(account));
        }
    }

    /// `known` is the account of a snapshot that is believed right now.
    fn board(
        &self,
        session: SessionId,
        ticket: LoadTicket,
        now: OffsetDateTime,
        known: Option<AccountId>,
    ) -> (Flight<Arc<Landed>>, Boarding) {
        let inner = Arc::clone(&self.0);
        let load = || async move {
            let found = inner.load(session, ticket, now).await;
            if let (Ok(None), Some(account)) = (&found, known) {
                inner.revoke(&Invalidation::of_account(account)).await;
            }
            let begun = ticket.begun;
            Arc::new(Landed { begun, found })
        };
        let key = (session, ticket.number);
        // Whether it may be kept is for the cache to say, which knows the tombstones.
        self.0.flights.board(key, load, |_| ())
    }

    /// Makes a revocation known: on this node before it returns, on all others as soon as they hear of it.
    ///
    /// Called right after the commit that made it true, or may have. A cache that cannot be told remembers it for
    /// when it can (its adapter's promise); the other nodes' near caches live for a second at the most.
    pub async fn revoke(&self, invalidation: &Invalidation) {
        self.0.revoke(invalidation).await;
    }

    /// Takes in what another node revoked.
    pub async fn hear(&self, invalidation: &Invalidation) {
        self.0.people.hear(invalidation);
        let _ = self.0.near.cache.invalidate(invalidation).await;
    }

    /// Forgets what this node remembers, after revocations may have been missed.
    pub async fn forget(&self) {
        self.0.people.forget_everything();
        let _ = self.0.near.cache.clear().await;
    }
}

impl Inner {
    async fn load(
        self: &Arc<Self>,
        session: SessionId,
        ticket: LoadTicket,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let found = self.find_beyond(session, now).await;
        self.near.keep(Some(ticket), &found).await;
        found
    }

    /// Asks whatever is beyond this node.
    async fn find_beyond(
        self: &Arc<Self>,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let Some(shared) = &self.shared else {
            return self.store.find_snapshot(session, now).await;
        };
        if let Some(known) = shared.known(session, now).await {
            if known.is_due {
                shared.counters.early_refresh();
                let refresh = Arc::clone(self).refresh_shared(known.snapshot.clone(), now);
                tokio::spawn(refresh.in_current_span());
            }
            return Ok(Some(known.snapshot));
        }
        shared.counters.load();
        self.load_shared(shared, session, now).await
    }

    async fn load_shared(
        &self,
        shared: &Counted,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let ticket = shared.cache.begin_load().await.ok();
        let found = self.store.find_snapshot(session, now).await;
        shared.keep(ticket, &found).await;
        found
    }

    async fn refresh_shared(self: Arc<Self>, known: SessionSnapshot, now: OffsetDateTime) {
        let Some(shared) = &self.shared else { return };
        let found = self.load_shared(shared, known.session, now).await;
        if let Ok(None) = found {
            let account = known.owner.account.id;
            self.revoke(&Invalidation::of_account(account)).await;
        }
    }

    async fn revoke(&self, invalidation: &Invalidation) {
        if invalidation.is_empty() {
            return;
        }
        self.people.hear(invalidation);
        let near = self.near.cache.invalidate(invalidation).await;
        let shared = match &self.shared {
            Some(shared) => shared.cache.invalidate(invalidation).await,
            None => Ok(()),
        };
        let others = self.others.publish(invalidation).await;
        if near.and(shared).and(others).is_err() {
            tracing::warn!("a revocation could not be told to every cache; they will catch up");
        }
    }
}

impl Counted {
    /// A snapshot that looks expired may have been prolonged by a refresh since, so it counts as unknown:
    /// what is beyond knows.
    async fn peek(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<KnownSession>, CacheError> {
        let known = self.cache.get(session).await?;
        Ok(known.filter(|it| it.snapshot.is_live(now)))
    }

    async fn known(&self, session: SessionId, now: OffsetDateTime) -> Option<KnownSession> {
        let known = self.peek(session, now).await;
        match &known {
            Ok(Some(_)) => self.counters.hit(),
            Ok(None) => self.counters.miss(),
            Err(_) => self.counters.unavailable(),
        }
        known.ok().flatten()
    }

    /// A full or broken cache costs a read next time, nothing else.
    async fn keep(
        &self,
        ticket: Option<LoadTicket>,
        found: &Result<Option<SessionSnapshot>, StoreError>,
    ) {
        match (found, ticket) {
            (Ok(Some(snapshot)), Some(ticket)) => {
                if let Ok(false) = self.cache.put(ticket, snapshot).await {
                    self.counters.overtaken();
                }
            }
            (Ok(_), _) => {}
            (Err(_), _) => self.counters.failure(),
        }
    }
}

impl Landed {
    /// Whether it is an answer for someone who asked at `now`: it is no older than what the near cache
    /// would have given, and says nothing that has run out since.
    fn answers(&self, now: OffsetDateTime, oldest: Duration) -> bool {
        let is_recent = now - self.begun <= oldest;
        let is_live = match &self.found {
            Ok(Some(snapshot)) => snapshot.is_live(now),
            Ok(None) | Err(_) => true,
        };
        is_recent && is_live
    }

    fn repeated(&self) -> Result<Option<SessionSnapshot>, StoreError> {
        match &self.found {
            Ok(found) => Ok(found.clone()),
            Err(error) => Err(error.repeated()),
        }
    }
}
