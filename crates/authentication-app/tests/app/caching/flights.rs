//! Single flight.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use authentication_app::caching::{Boarding, Flight, Flights, Landing, LoadLost};
use testkit::race::{ROUNDS, at_once};

use super::store::{SlowStore, settle};

type Reads = Flights<&'static str, u64>;

fn board(flights: &Reads, store: &SlowStore) -> (Flight<u64>, Boarding) {
    let store = store.clone();
    flights.board("key", || async move { store.read().await }, |_| ())
}

/// On several threads some may come after the landing; each load is still one that somebody began.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_ask_at_once_nobody_loads_beside_another() {
    for _ in 0..ROUNDS {
        let (flights, at_work) = (Reads::new(), Arc::new(AtomicU64::new(0)));
        let answers = at_once(100, |_| {
            let (flights, at_work) = (flights.clone(), Arc::clone(&at_work));
            async move {
                let load = || async move {
                    let others = at_work.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    others
                };
                flights.board("key", load, |_| ()).0.landed().await
            }
        })
        .await;
        assert!(answers.iter().all(|others| *others == Ok(0)), "{answers:?}");
        assert_eq!(format!("{flights:?}"), "Flights { under_way: 0, .. }");
    }
}

#[tokio::test]
async fn all_who_ask_while_a_load_is_under_way_share_it() {
    let (flights, store) = (Reads::new(), SlowStore::slow());
    let (first, boarding) = board(&flights, &store);
    assert_eq!(boarding, Boarding::Began);
    let others: Vec<_> = (0..99).map(|_| board(&flights, &store)).collect();
    assert!(others.iter().all(|(_, it)| *it == Boarding::Joined));
    settle().await;
    store.hurry();
    assert_eq!(first.landed().await, Ok(0));
    for (flight, _) in others {
        assert_eq!(flight.landed().await, Ok(0));
    }
    assert_eq!(store.begun(), 1);
}

#[tokio::test]
async fn a_first_caller_that_goes_away_strands_nobody() {
    let (flights, store) = (Reads::new(), SlowStore::slow());
    let first = tokio::spawn({
        let (flights, store) = (flights.clone(), store.clone());
        async move { board(&flights, &store).0.landed().await }
    });
    store.until_begun(1).await;
    let (second, boarding) = board(&flights, &store);
    assert_eq!(boarding, Boarding::Joined);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    store.hurry();
    assert_eq!(second.landed().await, Ok(0));
    assert_eq!(store.begun(), 1);
}

#[tokio::test]
async fn a_load_that_panics_ends_its_flight_and_no_other() {
    let flights = Reads::new();
    let broken = || flights.board("key", || async { panic!("a bug") }, |_| ());
    let (first, _) = broken();
    let (second, boarding) = broken();
    assert_eq!(boarding, Boarding::Joined);
    assert_eq!(first.landed().await, Err(LoadLost));
    assert_eq!(second.landed().await, Err(LoadLost));
    let (next, boarding) = board(&flights, &SlowStore::default());
    assert_eq!(boarding, Boarding::Began, "nobody waits for what is lost");
    assert_eq!(next.landed().await, Ok(0));
}

#[tokio::test]
async fn a_flight_that_was_overtaken_takes_nobody_along_and_says_so_when_it_lands() {
    let (flights, store) = (Reads::new(), SlowStore::slow());
    let (told, landings) = std::sync::mpsc::channel();
    let board = || {
        let (store, told) = (store.clone(), told.clone());
        let keep = move |landing: Landing<'_, u64>| match landing {
            Landing::InTime(value) => told.send((true, *value)).unwrap(),
            Landing::Overtaken(value) => told.send((false, *value)).unwrap(),
        };
        flights.board("key", || async move { store.read().await }, keep)
    };
    let (before, _) = board();
    store.until_begun(1).await;
    store.change();
    let mut was_there = false;
    flights.overtake(&"key", || was_there = true);
    assert!(was_there);
    let (after, boarding) = board();
    assert_eq!(boarding, Boarding::Began);
    store.until_begun(2).await;
    // The later one lands first, and the earlier one does not undo that.
    assert!(store.let_one_go_on(1));
    assert_eq!(after.landed().await, Ok(1));
    store.hurry();
    assert_eq!(before.landed().await, Ok(0), "they asked before it changed");
    let landings: Vec<_> = landings.try_iter().collect();
    assert_eq!(landings, [(true, 1), (false, 0)]);
}

#[tokio::test]
async fn overtaking_everything_overtakes_every_flight() {
    let (flights, store) = (Reads::new(), SlowStore::slow());
    let _ = board(&flights, &store);
    assert_eq!(format!("{flights:?}"), "Flights { under_way: 1, .. }");
    flights.overtake_all(|| ());
    assert_eq!(board(&flights, &store).1, Boarding::Began);
}
