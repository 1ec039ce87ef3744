//! Several nodes behind one shared cache, and everything at once.

use std::sync::{Arc, Mutex, Weak, atomic::Ordering};

use adapters_memory::{LocalRevocations, MemorySessionCache};
use async_trait::async_trait;
use authentication_app::{
    caching::Intent,
    ports::{CacheError, Invalidation, RevocationChannel, SessionCache},
    sessions::Liveness,
};
use testkit::{
    TestClock,
    race::{ROUNDS, fifty_at_once},
};
use time::Duration;

use super::{
    liveness::{Node, OneSession, memory},
    store::{SlowStore, settle},
};

/// Stands for what all nodes share.
const SHARED: Intent = Intent {
    name: "sessions",
    ttl: Duration::seconds(30),
    ..MemorySessionCache::ALONE
}
.checked();

/// A broadcast that everybody hears at once.
#[derive(Default)]
struct Everybody(Mutex<Vec<Liveness>>);

/// As a node has it, which the nodes must not keep alive.
struct Broadcast(Weak<Everybody>);

#[async_trait]
impl RevocationChannel for Broadcast {
    async fn publish(&self, invalidation: &Invalidation) -> Result<(), CacheError> {
        let everybody = self.0.upgrade().ok_or(CacheError)?;
        let nodes = everybody.0.lock().unwrap().clone();
        for node in nodes {
            node.hear(invalidation).await;
        }
        Ok(())
    }
}

/// Two nodes, what they share, and who hears what is broadcast.
struct Cluster {
    nodes: [Node; 2],
    shared: Arc<dyn SessionCache>,
    clock: Arc<TestClock>,
    _everybody: Arc<Everybody>,
}

fn two_nodes(hear: bool) -> Cluster {
    let clock = Arc::new(TestClock::new());
    let truth = OneSession::with(SlowStore::default());
    let shared = memory(SHARED, &clock);
    let everybody = Arc::new(Everybody::default());
    let nodes = [(); 2].map(|()| {
        let near = memory(MemorySessionCache::BESIDE_OTHERS, &clock);
        let others: Arc<dyn RevocationChannel> = if hear {
            Arc::new(Broadcast(Arc::downgrade(&everybody)))
        } else {
            Arc::new(LocalRevocations)
        };
        let shared = Some(Arc::clone(&shared));
        Node::with(truth.clone(), near, shared, others, Arc::clone(&clock))
    });
    *everybody.0.lock().unwrap() = nodes.iter().map(|it| it.liveness.clone()).collect();
    Cluster {
        nodes,
        shared,
        clock,
        _everybody: everybody,
    }
}

/// Half a second is within the life of a near snapshot; more than one is beyond it.
fn pass(cluster: &Cluster, which: usize) {
    let span = [Duration::milliseconds(700), Duration::milliseconds(300)][which % 2];
    cluster.clock.advance(span);
}

/// Invariant 11: requests, refreshes and expiries in any order with the end of a session.
#[test]
fn an_ended_session_lives_again_on_no_node() {
    testkit::runtime::run(async {
        for round in 0..ROUNDS * 4 {
            let cluster = Arc::new(two_nodes(true));
            let rivals = Arc::clone(&cluster);
            fifty_at_once(move |rival| {
                let cluster = Arc::clone(&rivals);
                async move {
                    let node = &cluster.nodes[rival % 2];
                    if rival == 10 + round {
                        node.truth.is_over.store(true, Ordering::SeqCst);
                        let ended = Invalidation::of_sessions([node.truth.session]);
                        node.liveness.revoke(&ended).await;
                        for node in &cluster.nodes {
                            assert_eq!(node.find().await.unwrap(), None);
                        }
                        return;
                    }
                    for step in 0..4 {
                        node.find().await.unwrap();
                        pass(&cluster, rival + step);
                    }
                }
            })
            .await;
            for node in &cluster.nodes {
                assert_eq!(node.find().await.unwrap(), None);
            }
            let kept = cluster.shared.get(cluster.nodes[0].truth.session).await;
            assert_eq!(kept.unwrap(), None);
        }
    });
}

#[test]
fn nobody_sees_an_account_from_before_a_change_that_was_announced() {
    testkit::runtime::run(async {
        for _ in 0..ROUNDS {
            let cluster = Arc::new(two_nodes(true));
            let announced = Arc::new(std::sync::atomic::AtomicI64::new(0));
            let rivals = Arc::clone(&cluster);
            fifty_at_once(move |rival| {
                let (cluster, announced) = (Arc::clone(&rivals), Arc::clone(&announced));
                async move {
                    let node = &cluster.nodes[rival / 2 % 2];
                    if rival % 5 == 0 {
                        let version = node.truth.numbers.change();
                        let changed = Invalidation::of_account(node.truth.account);
                        node.liveness.revoke(&changed).await;
                        let version = i64::try_from(version).unwrap();
                        announced.fetch_max(version, Ordering::SeqCst);
                    }
                    for step in 0..3 {
                        let known = announced.load(Ordering::SeqCst);
                        let seen = node.find().await.unwrap();
                        assert!(seen >= Some(known), "saw {seen:?} after {known}");
                        pass(&cluster, rival + step);
                    }
                }
            })
            .await;
        }
    });
}

/// The nodes share what one of them loaded, and one of them loads it anew for both.
#[tokio::test]
async fn an_early_refresh_of_what_is_shared_is_one_nodes_and_in_the_background() {
    let cluster = two_nodes(true);
    let [here, there] = &cluster.nodes;
    for node in [here, there] {
        assert_eq!(node.find().await.unwrap(), Some(0));
    }
    let longest = SHARED.life_by(0);
    cluster.clock.advance(longest.total - longest.early);
    here.truth.numbers.change();
    for node in [here, there, here, there] {
        node.find().await.unwrap();
        settle().await;
    }
    assert_eq!(here.truth.numbers.begun(), 2);
    // The near caches' time is over; what they find is the new one.
    cluster.clock.advance(MemorySessionCache::BESIDE_OTHERS.ttl);
    for node in [here, there] {
        assert_eq!(node.find().await.unwrap(), Some(1));
    }
    assert_eq!(here.truth.numbers.begun(), 2);
}

/// The node that ended the session died before it told anybody.
#[tokio::test]
async fn an_end_that_nobody_was_told_of_is_found_out_by_the_refresh_and_told_to_all() {
    let cluster = two_nodes(true);
    let [here, there] = &cluster.nodes;
    for node in [here, there] {
        assert_eq!(node.find().await.unwrap(), Some(0));
    }
    here.truth.is_over.store(true, Ordering::SeqCst);
    let longest = SHARED.life_by(0);
    cluster.clock.advance(longest.total - longest.early);
    assert_eq!(here.find().await.unwrap(), Some(0));
    settle().await;
    for node in [here, there] {
        assert_eq!(node.find().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_lost_broadcast_costs_a_second() {
    let cluster = two_nodes(false);
    let [here, there] = &cluster.nodes;
    assert_eq!(there.find().await.unwrap(), Some(0));
    here.truth.is_over.store(true, Ordering::SeqCst);
    let ended = Invalidation::of_sessions([here.truth.session]);
    here.liveness.revoke(&ended).await;
    assert_eq!(here.find().await.unwrap(), None);
    assert_eq!(there.find().await.unwrap(), Some(0), "it has not heard");
    cluster.clock.advance(Duration::SECOND);
    assert_eq!(there.find().await.unwrap(), None);
}

#[tokio::test]
async fn a_node_that_may_have_missed_something_believes_nothing_it_kept() {
    let cluster = two_nodes(false);
    let [here, there] = &cluster.nodes;
    assert_eq!(there.find().await.unwrap(), Some(0));
    here.truth.is_over.store(true, Ordering::SeqCst);
    let ended = Invalidation::of_sessions([here.truth.session]);
    here.liveness.revoke(&ended).await;
    there.liveness.forget().await;
    assert_eq!(there.find().await.unwrap(), None);
}
