//! Whether a session is live, answered from the nearest cache that has it.
//!
//! ```text
//!   near cache    this node's: TTL of a second in a cluster, of a minute on a single node
//!        │ miss, or due for its early refresh: one flight for all callers
//!   shared cache  of all nodes, if there is one
//!        │ miss, or due for its early refresh: by one node only
//!   the store     authoritative
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

/// How many loads begun by other callers a caller waits for before it loads the session itself.
const FLIGHTS: u8 = 2;

/// The caches of live sessions in front of the store.
///
/// An unavailable cache is skipped: the store is authoritative and answers instead.
#[derive(Clone)]
pub struct Liveness(Arc<Inner>);

/// The caches of sessions, and the channel for revocations.
pub struct SessionCaches {
    /// This node's cache.
    pub near: Arc<dyn SessionCache>,
    /// The cache shared by all nodes, if there are several.
    pub shared: Option<Arc<dyn SessionCache>>,
    /// Announces revocations to the other nodes.
    pub others: Arc<dyn RevocationChannel>,
    /// This node's cache of account data.
    pub people: People,
}

struct Inner {
    store: Arc<dyn SessionQueries>,
    near: Counted,
    shared: Option<Counted>,
    others: Arc<dyn RevocationChannel>,
    people: People,
    /// Invariant: the key includes the number of the last invalidation, so that a request after a revocation never
    /// joins a load that began before it.
    flights: Flights<(SessionId, u64), Arc<Landed>>,
}

struct Counted {
    cache: Arc<dyn SessionCache>,
    counters: Arc<Counters>,
}

/// The result of one flight.
struct Landed {
    begun: OffsetDateTime,
    found: Result<Option<SessionSnapshot>, StoreError>,
}

impl Liveness {
    /// Called once, by the composition root.
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

    /// The cached session if it is live at `now`; reads only this node's cache. On a miss, the caller may use
    /// [`Self::find`], which records the miss.
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

    /// Reloads a session before its cached snapshot expires (early refresh).
    async fn refresh(&self, known: &SessionSnapshot, now: OffsetDateTime) {
        if let Ok(ticket) = self.0.near.cache.begin_load().await {
            self.0.near.counters.early_refresh();
            let account = known.owner.account.id;
            // The load runs in the background.
            let _ = self.board(known.session, ticket, now, Some(account));
        }
    }

    /// `known` is the account of a snapshot that is still being served. If the load finds no live session, the
    /// whole account is invalidated.
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
        // The cache decides whether to keep the result, because it knows the tombstones.
        self.0.flights.board(key, load, |_| ())
    }

    /// Propagates a revocation: to this node before it returns, to all others as soon as they receive it.
    ///
    /// Called right after the commit that made it effective, or may have. The adapter of an unavailable cache must
    /// keep the revocation and deliver it later; the other nodes' near caches keep entries for one second at most.
    pub async fn revoke(&self, invalidation: &Invalidation) {
        self.0.revoke(invalidation).await;
    }

    /// Applies a revocation that another node announced.
    pub async fn hear(&self, invalidation: &Invalidation) {
        self.0.people.hear(invalidation);
        let _ = self.0.near.cache.invalidate(invalidation).await;
    }

    /// Clears this node's caches, after revocations may have been missed.
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

    /// Asks the shared cache and the store.
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
    /// A snapshot that looks expired may have been extended by a refresh since, so it counts as a miss; the next
    /// layer knows.
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

    /// Failing to cache costs only another read next time.
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
    /// Whether this result can answer a request made at `now`: it is no older than what the near cache may serve,
    /// and its session has not expired since.
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
