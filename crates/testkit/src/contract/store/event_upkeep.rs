//! The event queue under concurrency, and what operators see of it.

use std::collections::HashSet;

use authentication_app::ports::DestinationBacklog;
use authentication_domain::accounts::AccountId;
use time::{Duration, OffsetDateTime};

use super::{
    Inspect, Store,
    event_queue::{
        LEASE, NOTHING, SOMEWHERE, finish, happen, ids, lease_at, lease_ids, lease_one, serve,
        write,
    },
};
use crate::{
    builders::id,
    clock::START,
    race::{ROUNDS, at_once, fifty_at_once},
};

/// Longer than any lease of these tests.
const LATER: OffsetDateTime = START.saturating_add(Duration::DAY);

async fn backlog_of(store: &Store, destination: &str) -> DestinationBacklog {
    let backlog = store.event_backlog().await.expect("the queue answers");
    let found = backlog.into_iter().find(|it| it.destination == destination);
    found.expect("the destination is known")
}

pub async fn of_fifty_relays_one_holds_an_event(store: Store, _: &dyn Inspect) {
    serve(&store, SOMEWHERE).await;
    for _ in 0..ROUNDS {
        let written = happen(&store, id()).await;
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move { lease_at(&store, SOMEWHERE, 10, START).await }
        })
        .await;
        let leased = answers.concat();
        assert_eq!(ids(&leased), [written]);
        let lease = leased[0].lease.clone();
        let finished = fifty_at_once(|_| {
            let (store, lease) = (store.clone(), lease.clone());
            async move { finish(&store, &lease, START).await }
        })
        .await;
        assert_eq!(finished.iter().filter(|done| **done).count(), 1);
    }
}

pub async fn relays_at_once_never_hold_events_of_one_account(store: Store, _: &dyn Inspect) {
    serve(&store, SOMEWHERE).await;
    let accounts: Vec<AccountId> = (0..12).map(|_| id()).collect();
    let mut left = HashSet::new();
    for account in &accounts {
        left.extend(write(&store, *account, 4).await.iter().map(|it| it.id));
    }
    while !left.is_empty() {
        let leased = at_once(8, |_| {
            let store = store.clone();
            async move { lease_at(&store, SOMEWHERE, 3, START).await }
        })
        .await
        .concat();
        assert!(!leased.is_empty(), "{} events are lost", left.len());
        let held: HashSet<_> = leased.iter().map(|it| it.lease.account).collect();
        assert_eq!(held.len(), leased.len(), "an account is in two hands");
        for leased in &leased {
            assert!(left.remove(&leased.event.id), "nothing is handed out twice");
            assert!(finish(&store, &leased.lease, START).await);
        }
    }
}

/// Several writers for one account and a relay, concurrently: events are delivered in the order in which the relay
/// first saw them, and a write during the completion of another event is not lost.
pub async fn what_is_written_at_once_is_delivered_in_the_order_of_commits(
    store: Store,
    inspect: &dyn Inspect,
) {
    const WRITERS: usize = 24;
    serve(&store, SOMEWHERE).await;
    let account: AccountId = id();
    let delivered = at_once(WRITERS + 1, |number| {
        let store = store.clone();
        async move {
            if number > 0 {
                write(&store, account, 2).await;
                return Vec::new();
            }
            let mut delivered = Vec::new();
            while delivered.len() < 2 * WRITERS {
                for leased in lease_at(&store, SOMEWHERE, 10, START).await {
                    assert!(finish(&store, &leased.lease, START).await);
                    delivered.push((leased.event.sequence, leased.event.id));
                }
                tokio::task::yield_now().await;
            }
            delivered
        }
    })
    .await
    .concat();
    assert!(delivered.is_sorted(), "{delivered:?}");
    let different: HashSet<_> = delivered.iter().map(|(_, id)| id).collect();
    assert_eq!(different.len(), 2 * WRITERS);
    assert_eq!(inspect.event_types().await.len(), 2 * WRITERS);
    assert_eq!(lease_ids(&store, LATER).await, NOTHING);
}

pub async fn the_backlog_tells_who_waits_and_for_how_long(store: Store, _: &dyn Inspect) {
    assert_eq!(store.event_backlog().await.unwrap(), []);
    serve(&store, SOMEWHERE).await;
    serve(&store, "away").await;
    let nothing = DestinationBacklog {
        destination: SOMEWHERE.to_owned(),
        accounts_waiting: 0,
        oldest_waiting: None,
        parked: 0,
        served_at: START,
        rests_until: None,
        off: None,
    };
    assert_eq!(backlog_of(&store, SOMEWHERE).await, nothing);
    write(&store, id(), 2).await;
    happen(&store, id()).await;
    let waiting = DestinationBacklog {
        accounts_waiting: 2,
        oldest_waiting: Some(START),
        ..nothing.clone()
    };
    assert_eq!(backlog_of(&store, SOMEWHERE).await, waiting);
    for leased in lease_at(&store, SOMEWHERE, 10, START).await {
        let parked = store.park_event(&leased.lease, 1, "refused", START).await;
        assert!(parked.unwrap());
    }
    let last = lease_one(&store, START).await;
    assert!(finish(&store, &last.lease, START).await);
    store.serve_destination(SOMEWHERE, LATER).await.unwrap();
    let parked = DestinationBacklog {
        parked: 2,
        served_at: LATER,
        ..nothing
    };
    assert_eq!(backlog_of(&store, SOMEWHERE).await, parked);
    assert_eq!(backlog_of(&store, "away").await.accounts_waiting, 2);
}

pub async fn a_forgotten_destination_gets_nothing_more(store: Store, _: &dyn Inspect) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    write(&store, account, 2).await;
    let poison = lease_one(&store, START).await;
    store.park_event(&poison.lease, 1, "", START).await.unwrap();
    assert!(store.forget_destination(SOMEWHERE).await.unwrap());
    assert!(!store.forget_destination(SOMEWHERE).await.unwrap());
    assert_eq!(store.event_backlog().await.unwrap(), []);
    happen(&store, account).await;
    // When it is registered again, it starts without the old lanes.
    serve(&store, SOMEWHERE).await;
    assert_eq!(lease_ids(&store, LATER).await, NOTHING);
    assert_eq!(backlog_of(&store, SOMEWHERE).await.parked, 0);
    let next = happen(&store, account).await;
    assert_eq!(lease_ids(&store, START).await, [next]);
}

pub async fn an_event_is_kept_until_every_destination_has_it(store: Store, inspect: &dyn Inspect) {
    let purged = async || store.purge_events(LATER).await.unwrap();
    serve(&store, "away").await;
    serve(&store, SOMEWHERE).await;
    let account = id();
    write(&store, account, 2).await;
    assert_eq!(purged().await, 0);
    for _ in 0..2 {
        let leased = lease_one(&store, START).await;
        assert!(finish(&store, &leased.lease, START).await);
    }
    assert_eq!(purged().await, 0, "one destination has nothing yet");
    let first = lease_at(&store, "away", 1, START).await;
    assert!(finish(&store, &first[0].lease, START).await);
    assert_eq!(purged().await, 1);
    let second = lease_at(&store, "away", 1, START).await;
    store
        .park_event(&second[0].lease, 1, "", START)
        .await
        .unwrap();
    assert_eq!(purged().await, 0, "a parked event waits for a person");
    assert!(store.forget_destination("away").await.unwrap());
    assert_eq!(store.purge_events(START).await.unwrap(), 0, "not its time");
    assert_eq!(purged().await, 1);
    assert!(inspect.event_types().await.is_empty());
    assert_eq!(lease_ids(&store, LATER + LEASE).await, NOTHING);
}
