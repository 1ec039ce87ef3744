//! Sessions in front of a store that a test can hold up.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use adapters_memory::{LocalRevocations, MemorySessionCache};
use async_trait::async_trait;
use authentication_app::{
    accounts::People,
    caching::{Figures, Intent, Ledger},
    ports::{
        CacheError, Invalidation, KnownSession, LoadTicket, RevocationChannel, RotatedSession,
        SessionCache, SessionQueries, SessionSnapshot, SessionSummary, StoreError,
    },
    sessions::{Liveness, SessionCaches},
};
use authentication_domain::{
    accounts::AccountId,
    sessions::{RotationRules, SessionId},
};
use common::{
    Clock,
    access::{AuthenticationMethod, Proofs},
    page::{Page, PageRequest},
};
use testkit::{
    SeededRandom, TestClock,
    builders::{account_record, id},
    clock::START,
};
use time::{Duration, OffsetDateTime};

use super::store::{SlowStore, settle};

/// One session of one account, whose version is the number in the store.
#[derive(Clone)]
pub(crate) struct OneSession {
    pub(crate) session: SessionId,
    pub(crate) account: AccountId,
    pub(crate) numbers: SlowStore,
    pub(crate) is_over: Arc<AtomicBool>,
    is_away: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl OneSession {
    pub(crate) fn with(numbers: SlowStore) -> Self {
        Self {
            session: id(),
            account: id(),
            numbers,
            is_over: Arc::default(),
            is_away: Arc::default(),
            panics: Arc::default(),
        }
    }
}

#[async_trait]
impl SessionQueries for OneSession {
    async fn find_snapshot(
        &self,
        session: SessionId,
        _: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError> {
        let is_over = self.is_over.load(Ordering::SeqCst);
        let version = self.numbers.read().await;
        assert!(!self.panics.load(Ordering::SeqCst), "a bug");
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::Failed("the cable was pulled".into()));
        }
        let mut owner = account_record();
        owner.account.id = self.account;
        owner.account.version = i64::try_from(version).unwrap();
        let snapshot = SessionSnapshot {
            session: self.session,
            owner,
            proofs: Proofs::only(AuthenticationMethod::Password, START),
            proven_generation: 0,
            presented_generation: 0,
            idle_deadline: START + Duration::DAY,
            absolute_deadline: START + Duration::DAY,
        };
        Ok((session == self.session && !is_over).then_some(snapshot))
    }

    async fn list_sessions(
        &self,
        _: AccountId,
        _: &PageRequest<SessionId>,
        _: OffsetDateTime,
    ) -> Result<Page<SessionSummary, SessionId>, StoreError> {
        unreachable!("nobody lists")
    }

    async fn rotate(
        &self,
        _: SessionId,
        _: u32,
        _: RotationRules,
        _: OffsetDateTime,
    ) -> Result<Option<RotatedSession>, StoreError> {
        unreachable!("nobody rotates")
    }
}

/// One node, or one of several.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) liveness: Liveness,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) truth: OneSession,
    ledger: Ledger,
}

pub(crate) fn memory(intent: Intent, clock: &Arc<TestClock>) -> Arc<dyn SessionCache> {
    Arc::new(MemorySessionCache::new(
        intent,
        Arc::clone(clock) as Arc<dyn Clock>,
        Arc::new(SeededRandom::new(3)),
    ))
}

impl Node {
    fn alone(numbers: SlowStore) -> Self {
        let clock = Arc::new(TestClock::new());
        let near = memory(MemorySessionCache::ALONE, &clock);
        let truth = OneSession::with(numbers);
        Self::with(truth, near, None, Arc::new(LocalRevocations), clock)
    }

    pub(crate) fn with(
        truth: OneSession,
        near: Arc<dyn SessionCache>,
        shared: Option<Arc<dyn SessionCache>>,
        others: Arc<dyn RevocationChannel>,
        clock: Arc<TestClock>,
    ) -> Self {
        let ledger = Ledger::default();
        let random = Arc::new(SeededRandom::new(4));
        let caches = SessionCaches {
            near,
            shared,
            others,
            people: People::new(&ledger, clock.clone(), random),
        };
        Self {
            liveness: Liveness::new(Arc::new(truth.clone()), caches, &ledger),
            clock,
            truth,
            ledger,
        }
    }

    /// The version of the account as a request sees it; `None` when the session is not live.
    pub(crate) async fn find(&self) -> Result<Option<i64>, StoreError> {
        let found = self
            .liveness
            .find(self.truth.session, self.clock.now())
            .await?;
        Ok(found.map(|it| it.owner.account.version))
    }

    fn ask(&self) -> tokio::task::JoinHandle<Result<Option<i64>, StoreError>> {
        let node = self.clone();
        tokio::spawn(async move { node.find().await })
    }

    fn reads(&self) -> u64 {
        self.truth.numbers.begun()
    }

    fn figures(&self, name: &str) -> Figures {
        let all = self.ledger.read();
        *all.iter().find(|it| it.intent.name == name).unwrap()
    }

    fn ended(&self) -> Invalidation {
        Invalidation::of_sessions([self.truth.session])
    }
}

/// When what a lone node keeps is due, and not over.
fn until_due() -> Duration {
    let longest = MemorySessionCache::ALONE.life_by(0);
    longest.total - longest.early
}

#[tokio::test]
async fn a_hundred_requests_on_a_cold_cache_read_the_store_once() {
    let node = Node::alone(SlowStore::slow());
    let crowd: Vec<_> = (0..100).map(|_| node.ask()).collect();
    settle().await;
    node.truth.numbers.hurry();
    for request in crowd {
        assert_eq!(request.await.unwrap().unwrap(), Some(0));
    }
    assert_eq!(node.find().await.unwrap(), Some(0));
    assert_eq!(node.reads(), 1);
    let figures = node.figures("sessions_alone");
    assert_eq!((figures.misses, figures.loads, figures.hits), (100, 1, 1));
}

#[tokio::test]
async fn a_session_in_use_is_loaded_anew_once_before_its_time_is_over_and_nobody_waits() {
    let node = Node::alone(SlowStore::default());
    assert_eq!(node.find().await.unwrap(), Some(0));
    node.clock.advance(until_due());
    node.truth.numbers.slow_down();
    node.truth.numbers.change();
    for _ in 0..100 {
        assert_eq!(node.find().await.unwrap(), Some(0));
    }
    node.truth.numbers.until_begun(2).await;
    node.truth.numbers.hurry();
    settle().await;
    assert_eq!(node.find().await.unwrap(), Some(1));
    assert_eq!(node.reads(), 2);
    assert_eq!(node.figures("sessions_alone").early_refreshes, 1);
}

#[tokio::test]
async fn whoever_asks_after_a_revocation_joins_no_load_from_before_it() {
    let node = Node::alone(SlowStore::slow());
    let before = node.ask();
    node.truth.numbers.until_begun(1).await;
    node.truth.is_over.store(true, Ordering::SeqCst);
    node.liveness.revoke(&node.ended()).await;
    let after = node.ask();
    node.truth.numbers.until_begun(2).await;
    // What the first one brings comes before the second has read.
    assert!(node.truth.numbers.let_one_go_on(0));
    assert_eq!(before.await.unwrap().unwrap(), Some(0), "asked before it");
    node.truth.numbers.hurry();
    assert_eq!(after.await.unwrap().unwrap(), None);
    assert_eq!(node.find().await.unwrap(), None);
    assert_eq!(node.figures("sessions_alone").overtaken, 1);
}

#[tokio::test]
async fn a_session_that_ends_during_its_early_refresh_stays_ended() {
    let node = Node::alone(SlowStore::default());
    assert_eq!(node.find().await.unwrap(), Some(0));
    node.clock.advance(until_due());
    node.truth.numbers.slow_down();
    assert_eq!(node.find().await.unwrap(), Some(0));
    node.truth.numbers.until_begun(2).await;
    node.truth.is_over.store(true, Ordering::SeqCst);
    node.liveness.revoke(&node.ended()).await;
    node.truth.numbers.hurry();
    settle().await;
    assert_eq!(node.find().await.unwrap(), None);
}

/// Nobody told this node: a command that wrote to the store, or a node that died before it could.
#[tokio::test]
async fn a_refresh_that_finds_a_session_gone_ends_it_here_before_its_time() {
    let node = Node::alone(SlowStore::default());
    assert_eq!(node.find().await.unwrap(), Some(0));
    node.truth.is_over.store(true, Ordering::SeqCst);
    node.clock.advance(until_due());
    assert_eq!(node.find().await.unwrap(), Some(0));
    settle().await;
    assert_eq!(node.find().await.unwrap(), None);
}

#[tokio::test]
async fn a_first_request_that_is_dropped_strands_nobody() {
    let node = Node::alone(SlowStore::slow());
    let first = node.ask();
    node.truth.numbers.until_begun(1).await;
    let second = node.ask();
    settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    node.truth.numbers.hurry();
    assert_eq!(second.await.unwrap().unwrap(), Some(0));
    assert_eq!(node.reads(), 1);
}

#[tokio::test]
async fn a_failed_read_is_told_to_all_who_waited_and_is_not_remembered() {
    let node = Node::alone(SlowStore::slow());
    node.truth.is_away.store(true, Ordering::SeqCst);
    let crowd: Vec<_> = (0..10).map(|_| node.ask()).collect();
    settle().await;
    node.truth.numbers.hurry();
    for request in crowd {
        let Err(StoreError::Failed(cause)) = request.await.unwrap() else {
            panic!("the store has failed")
        };
        assert_eq!(cause.to_string(), "the cable was pulled");
    }
    assert_eq!(node.reads(), 1);
    node.truth.is_away.store(false, Ordering::SeqCst);
    assert_eq!(node.find().await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_read_that_panics_is_unavailable_and_ends_with_itself() {
    let node = Node::alone(SlowStore::default());
    node.truth.panics.store(true, Ordering::SeqCst);
    let answer = node.find().await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    assert_eq!(node.reads(), 2);
    node.truth.panics.store(false, Ordering::SeqCst);
    assert_eq!(node.find().await.unwrap(), Some(0));
}

/// Revocations that were not heard of may have come since; the near cache would not believe it either.
#[tokio::test]
async fn a_load_that_hangs_is_not_shared_with_who_comes_much_later() {
    let node = Node::alone(SlowStore::slow());
    let early = node.ask();
    node.truth.numbers.until_begun(1).await;
    node.truth.numbers.change();
    node.clock
        .advance(MemorySessionCache::ALONE.ttl + Duration::SECOND);
    let late = node.ask();
    settle().await;
    node.truth.numbers.hurry();
    assert_eq!(early.await.unwrap().unwrap(), Some(0));
    assert_eq!(late.await.unwrap().unwrap(), Some(1));
}

/// Each cache that cannot be asked is passed over.
#[tokio::test]
async fn a_near_cache_that_is_broken_costs_a_read_and_nothing_else() {
    struct Broken;

    #[async_trait]
    impl SessionCache for Broken {
        fn intent(&self) -> Intent {
            MemorySessionCache::ALONE
        }
        async fn get(&self, _: SessionId) -> Result<Option<KnownSession>, CacheError> {
            Err(CacheError)
        }
        async fn begin_load(&self) -> Result<LoadTicket, CacheError> {
            Err(CacheError)
        }
        async fn put(&self, _: LoadTicket, _: &SessionSnapshot) -> Result<bool, CacheError> {
            Err(CacheError)
        }
        async fn invalidate(&self, _: &Invalidation) -> Result<(), CacheError> {
            Err(CacheError)
        }
        async fn clear(&self) -> Result<(), CacheError> {
            Err(CacheError)
        }
    }

    let clock = Arc::new(TestClock::new());
    let truth = OneSession::with(SlowStore::default());
    let (near, shared) = (Arc::new(Broken), Arc::new(Broken));
    let others = Arc::new(LocalRevocations);
    let node = Node::with(truth, near, Some(shared), others, clock);
    for read in 1..=3 {
        assert_eq!(node.find().await.unwrap(), Some(0));
        assert_eq!(node.reads(), read);
    }
    node.truth.is_over.store(true, Ordering::SeqCst);
    node.liveness.revoke(&node.ended()).await;
    assert_eq!(node.find().await.unwrap(), None);
}
