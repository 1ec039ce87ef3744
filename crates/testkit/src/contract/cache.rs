//! The promises of [`SessionCache`]: it may forget, but it never returns a snapshot that was invalidated.
//!
//! Every promise is tested across two nodes. An adapter for a single node passes the same cache twice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use async_trait::async_trait;
use authentication_app::ports::{
    Invalidation, KnownSession, LoadTicket, SessionCache, SessionSnapshot,
};
use authentication_domain::{accounts::AccountId, sessions::SessionId};
use common::access::{AuthenticationMethod, Proofs};
use time::Duration;

use crate::{
    builders::{account_record, id},
    clock::START,
    race::{ROUNDS, fifty_at_once},
};

/// What an adapter provides: an empty cache.
#[async_trait]
pub trait CacheBed: Send + Sync {
    /// The cache as one node sees it.
    fn here(&self) -> Arc<dyn SessionCache>;
    /// The cache as another node sees it.
    fn there(&self) -> Arc<dyn SessionCache>;
    /// Returns when everything that is kept now has expired.
    async fn outlive(&self);
    /// Returns when everything that is kept now is due for its early refresh, and nothing has expired.
    async fn nearly_outlive(&self);
}

/// One test for each promise. Takes the name of an `async fn() -> impl CacheBed` in the same module.
#[macro_export]
macro_rules! session_cache_contract {
    ($bed:ident) => {
        $crate::session_cache_contract! { $bed:
            a_snapshot_comes_back_as_it_was,
            a_later_snapshot_replaces_an_earlier_one,
            a_snapshot_does_not_outlive_its_time,
            a_snapshot_is_due_once_and_only_near_its_end,
            one_of_many_is_told_to_refresh,
            a_refresh_that_an_end_overtook_is_refused,
            an_ended_session_is_gone_at_once_everywhere,
            an_ended_session_never_comes_back,
            a_changed_account_takes_all_its_sessions_along,
            a_load_that_a_change_overtook_is_refused,
            a_load_after_a_change_is_kept,
            one_invalidation_names_many,
            naming_nothing_harms_nothing,
            clearing_forgets_everything_and_what_is_under_way,
            rivals_never_leave_a_stale_account,
            rivals_never_leave_an_ended_session,
        }
    };
    ($bed:ident: $($fact:ident),+ $(,)?) => {
        $(#[test]
        fn $fact() {
            $crate::runtime::run(async { $crate::contract::cache::$fact($bed().await).await });
        })+
    };
}

/// A session of an account that is at `version`.
fn snapshot(session: SessionId, account: AccountId, version: i64) -> SessionSnapshot {
    let mut owner = account_record();
    owner.account.id = account;
    owner.account.version = version;
    SessionSnapshot {
        session,
        owner,
        proofs: Proofs::only(
            AuthenticationMethod::Password,
            START - Duration::MICROSECOND,
        )
        .and(AuthenticationMethod::Totp, START),
        proven_generation: 7,
        presented_generation: 0,
        idle_deadline: START + Duration::days(14),
        absolute_deadline: START + Duration::days(30),
    }
}

/// A session of a new account.
fn any_snapshot() -> SessionSnapshot {
    snapshot(id(), id(), 1)
}

async fn ticket(cache: &dyn SessionCache) -> LoadTicket {
    cache.begin_load().await.expect("the cache is there")
}

/// Whether the snapshot was kept.
async fn put(cache: &dyn SessionCache, ticket: LoadTicket, snapshot: &SessionSnapshot) -> bool {
    cache
        .put(ticket, snapshot)
        .await
        .expect("the cache is there")
}

async fn load(cache: &dyn SessionCache, snapshot: &SessionSnapshot) {
    put(cache, ticket(cache).await, snapshot).await;
}

async fn known(cache: &dyn SessionCache, session: SessionId) -> Option<KnownSession> {
    cache.get(session).await.expect("the cache is there")
}

async fn get(cache: &dyn SessionCache, session: SessionId) -> Option<SessionSnapshot> {
    known(cache, session).await.map(|known| known.snapshot)
}

/// Whether a caller who finds the session is asked to reload it.
async fn is_due(cache: &dyn SessionCache, session: SessionId) -> bool {
    let known = known(cache, session).await;
    known.expect("its time is not over").is_due
}

async fn invalidate(cache: &dyn SessionCache, invalidation: &Invalidation) {
    cache
        .invalidate(invalidation)
        .await
        .expect("the cache is there");
}

/// Complete, and on every node.
pub async fn a_snapshot_comes_back_as_it_was(bed: impl CacheBed) {
    let (here, there) = (bed.here(), bed.there());
    let (one, other) = (any_snapshot(), any_snapshot());
    assert_eq!(get(&*here, one.session).await, None);
    load(&*here, &one).await;
    load(&*there, &other).await;
    for cache in [&*here, &*there] {
        assert_eq!(get(cache, one.session).await.as_ref(), Some(&one));
        assert_eq!(get(cache, other.session).await.as_ref(), Some(&other));
        assert_eq!(get(cache, id()).await, None);
    }
}

/// For example after a refresh moved the deadlines.
pub async fn a_later_snapshot_replaces_an_earlier_one(bed: impl CacheBed) {
    let (here, mut snapshot) = (bed.here(), any_snapshot());
    load(&*here, &snapshot).await;
    snapshot.idle_deadline += Duration::HOUR;
    load(&*here, &snapshot).await;
    assert_eq!(
        get(&*here, snapshot.session).await.as_ref(),
        Some(&snapshot)
    );
}

/// The TTL is the last safeguard, should every other one fail.
pub async fn a_snapshot_does_not_outlive_its_time(bed: impl CacheBed) {
    let (here, snapshot) = (bed.here(), any_snapshot());
    load(&*here, &snapshot).await;
    bed.outlive().await;
    assert_eq!(get(&*here, snapshot.session).await, None);
    load(&*here, &snapshot).await;
    assert_eq!(
        get(&*here, snapshot.session).await.as_ref(),
        Some(&snapshot)
    );
}

/// The snapshot is always found, and only one caller is asked to reload it; a new snapshot has its own due time.
pub async fn a_snapshot_is_due_once_and_only_near_its_end(bed: impl CacheBed) {
    let (here, there, snapshot) = (bed.here(), bed.there(), any_snapshot());
    load(&*here, &snapshot).await;
    assert!(!is_due(&*here, snapshot.session).await);
    bed.nearly_outlive().await;
    assert!(is_due(&*there, snapshot.session).await);
    for cache in [&*here, &*there] {
        assert!(!is_due(cache, snapshot.session).await);
    }
    load(&*here, &snapshot).await;
    assert!(!is_due(&*here, snapshot.session).await, "it is new");
    bed.nearly_outlive().await;
    assert!(is_due(&*here, snapshot.session).await);
}

/// However many callers ask at that moment, on any node.
pub async fn one_of_many_is_told_to_refresh(bed: impl CacheBed) {
    let nodes = [bed.here(), bed.there()];
    let snapshot = any_snapshot();
    let session = snapshot.session;
    for _ in 0..ROUNDS {
        load(&*nodes[0], &snapshot).await;
        bed.nearly_outlive().await;
        let told = fifty_at_once(|rival| {
            let cache = Arc::clone(&nodes[rival % 2]);
            async move { is_due(&*cache, session).await }
        })
        .await;
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
    }
}

/// A reload is a load like any other.
pub async fn a_refresh_that_an_end_overtook_is_refused(bed: impl CacheBed) {
    let (here, there, snapshot) = (bed.here(), bed.there(), any_snapshot());
    load(&*here, &snapshot).await;
    bed.nearly_outlive().await;
    assert!(is_due(&*here, snapshot.session).await);
    let before = ticket(&*here).await;
    invalidate(&*there, &Invalidation::of_sessions([snapshot.session])).await;
    assert_eq!(get(&*here, snapshot.session).await, None);
    assert!(!put(&*here, before, &snapshot).await);
    assert_eq!(get(&*here, snapshot.session).await, None);
}

/// On the node that ended it and on the others; other sessions are not affected.
pub async fn an_ended_session_is_gone_at_once_everywhere(bed: impl CacheBed) {
    let (here, there) = (bed.here(), bed.there());
    let ended = any_snapshot();
    let sibling = snapshot(id(), ended.owner.account.id, 1);
    load(&*here, &ended).await;
    load(&*here, &sibling).await;
    invalidate(&*there, &Invalidation::of_sessions([ended.session])).await;
    for cache in [&*here, &*there] {
        assert_eq!(get(cache, ended.session).await, None);
        assert_eq!(get(cache, sibling.session).await.as_ref(), Some(&sibling));
    }
}

/// Neither by a load that began before the end, nor by one that began after it and read a replica that lags.
pub async fn an_ended_session_never_comes_back(bed: impl CacheBed) {
    let (here, there, snapshot) = (bed.here(), bed.there(), any_snapshot());
    let before = ticket(&*here).await;
    invalidate(&*there, &Invalidation::of_sessions([snapshot.session])).await;
    put(&*here, before, &snapshot).await;
    assert_eq!(get(&*here, snapshot.session).await, None);
    load(&*here, &snapshot).await;
    assert_eq!(get(&*here, snapshot.session).await, None);
}

/// All sessions of that account, and no others.
pub async fn a_changed_account_takes_all_its_sessions_along(bed: impl CacheBed) {
    let (here, there) = (bed.here(), bed.there());
    let account = id();
    let of_the_account: Vec<_> = (0..5).map(|_| snapshot(id(), account, 1)).collect();
    let of_another = any_snapshot();
    for snapshot in of_the_account.iter().chain([&of_another]) {
        load(&*here, snapshot).await;
    }
    invalidate(&*there, &Invalidation::of_account(account)).await;
    for cache in [&*here, &*there] {
        for snapshot in &of_the_account {
            assert_eq!(get(cache, snapshot.session).await, None);
        }
        assert_eq!(
            get(cache, of_another.session).await.as_ref(),
            Some(&of_another)
        );
    }
}

/// It may have read the state before the change.
pub async fn a_load_that_a_change_overtook_is_refused(bed: impl CacheBed) {
    let (here, there, snapshot) = (bed.here(), bed.there(), any_snapshot());
    let before = ticket(&*here).await;
    invalidate(
        &*there,
        &Invalidation::of_account(snapshot.owner.account.id),
    )
    .await;
    put(&*here, before, &snapshot).await;
    assert_eq!(get(&*here, snapshot.session).await, None);
}

/// A change does not end the session: a load after it is kept, and a late one from before does not replace it.
pub async fn a_load_after_a_change_is_kept(bed: impl CacheBed) {
    let (here, there) = (bed.here(), bed.there());
    let (session, account) = (id(), id());
    let before = ticket(&*there).await;
    for version in 2..5 {
        invalidate(&*here, &Invalidation::of_account(account)).await;
        let changed = snapshot(session, account, version);
        load(&*here, &changed).await;
        put(&*there, before, &snapshot(session, account, 1)).await;
        assert_eq!(get(&*there, session).await.as_ref(), Some(&changed));
    }
}

/// For example, the end of all sessions but one, together with the change that caused it.
pub async fn one_invalidation_names_many(bed: impl CacheBed) {
    let here = bed.here();
    let snapshots: Vec<_> = (0..60).map(|_| any_snapshot()).collect();
    for snapshot in &snapshots {
        load(&*here, snapshot).await;
    }
    let (ended, rest) = snapshots.split_at(50);
    let (changed, untouched) = rest.split_at(5);
    let invalidation = Invalidation {
        ended: ended.iter().map(|snapshot| snapshot.session).collect(),
        changed: changed
            .iter()
            .map(|snapshot| snapshot.owner.account.id)
            .collect(),
    };
    invalidate(&*here, &invalidation).await;
    for snapshot in ended.iter().chain(changed) {
        assert_eq!(get(&*here, snapshot.session).await, None);
    }
    for snapshot in untouched {
        assert_eq!(get(&*here, snapshot.session).await.as_ref(), Some(snapshot));
    }
}

/// A use case may have ended no session at all.
pub async fn naming_nothing_harms_nothing(bed: impl CacheBed) {
    let (here, snapshot) = (bed.here(), any_snapshot());
    load(&*here, &snapshot).await;
    invalidate(&*here, &Invalidation::default()).await;
    assert_eq!(
        get(&*here, snapshot.session).await.as_ref(),
        Some(&snapshot)
    );
}

/// Invalidations may have been missed, so loads in progress are as doubtful as kept snapshots.
pub async fn clearing_forgets_everything_and_what_is_under_way(bed: impl CacheBed) {
    let (here, there) = (bed.here(), bed.there());
    let (kept, under_way) = (any_snapshot(), any_snapshot());
    load(&*here, &kept).await;
    let before = ticket(&*here).await;
    there.clear().await.expect("the cache is there");
    put(&*here, before, &under_way).await;
    for cache in [&*here, &*there] {
        assert_eq!(get(cache, kept.session).await, None);
        assert_eq!(get(cache, under_way.session).await, None);
    }
    load(&*here, &kept).await;
    put(&*here, before, &snapshot(kept.session, id(), 1)).await;
    assert_eq!(get(&*there, kept.session).await.as_ref(), Some(&kept));
}

/// Half of the tasks change an account, half load its session. After a change was announced, no caller sees the
/// account from before it.
pub async fn rivals_never_leave_a_stale_account(bed: impl CacheBed) {
    let nodes = [bed.here(), bed.there()];
    for _ in 0..ROUNDS {
        let (session, account): (SessionId, AccountId) = (id(), id());
        let store = Arc::new(AtomicI64::new(1));
        let announced = Arc::new(AtomicI64::new(1));
        fifty_at_once(|rival| {
            let cache = Arc::clone(&nodes[rival / 2 % 2]);
            let (store, announced) = (Arc::clone(&store), Arc::clone(&announced));
            async move {
                if rival % 2 == 0 {
                    let version = store.fetch_add(1, Ordering::SeqCst) + 1;
                    invalidate(&*cache, &Invalidation::of_account(account)).await;
                    announced.fetch_max(version, Ordering::SeqCst);
                } else {
                    let ticket = ticket(&*cache).await;
                    let read = store.load(Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    put(&*cache, ticket, &snapshot(session, account, read)).await;
                }
                let known = announced.load(Ordering::SeqCst);
                let seen = get(&*cache, session)
                    .await
                    .map(|seen| seen.owner.account.version);
                assert!(
                    seen.is_none_or(|seen| seen >= known),
                    "saw {seen:?} after {known}"
                );
            }
        })
        .await;
        let last = store.load(Ordering::SeqCst);
        for cache in &nodes {
            let seen = get(&**cache, session)
                .await
                .map(|seen| seen.owner.account.version);
            assert!(
                seen.is_none_or(|seen| seen == last),
                "left {seen:?}, the store has {last}"
            );
        }
    }
}

/// Many tasks load a session while it ends.
pub async fn rivals_never_leave_an_ended_session(bed: impl CacheBed) {
    let nodes = [bed.here(), bed.there()];
    for _ in 0..ROUNDS {
        let live = any_snapshot();
        let ended = Arc::new(AtomicBool::new(false));
        let session = live.session;
        fifty_at_once(|rival| {
            let cache = Arc::clone(&nodes[rival % 2]);
            let (live, ended) = (live.clone(), Arc::clone(&ended));
            async move {
                if rival == 25 {
                    ended.store(true, Ordering::SeqCst);
                    invalidate(&*cache, &Invalidation::of_sessions([session])).await;
                    assert_eq!(get(&*cache, session).await, None);
                } else {
                    let ticket = ticket(&*cache).await;
                    let read = (!ended.load(Ordering::SeqCst)).then_some(live);
                    tokio::task::yield_now().await;
                    if let Some(read) = read {
                        put(&*cache, ticket, &read).await;
                    }
                }
            }
        })
        .await;
        for cache in &nodes {
            assert_eq!(get(&**cache, session).await, None);
        }
    }
}
