//! Destinations that take no events, for some time or until an operator switches them on.

use authentication_app::ports::{SwitchedOff, SwitchedOn};
use time::{Duration, OffsetDateTime};

use super::{
    Store,
    event_queue::{
        LEASE, NOTHING, SOMEWHERE, finish, happen, lease_at, lease_ids, lease_one, serve,
    },
    support::wins,
};
use crate::{builders::id, clock::START, race::fifty_at_once};

const MOMENT: Duration = Duration::MICROSECOND;

fn gone() -> SwitchedOff {
    SwitchedOff {
        at: START,
        reason: "answered 410".to_owned(),
    }
}

async fn switch_on(store: &Store, name: &str, now: OffsetDateTime) -> SwitchedOn {
    let switched = store.switch_destination_on(name, now).await;
    switched.expect("the queue answers")
}

pub async fn a_destination_that_rests_gets_nothing_until_then(store: Store) {
    serve(&store, SOMEWHERE).await;
    serve(&store, "another").await;
    let event = happen(&store, id()).await;
    let until = START + Duration::HOUR;
    // The later end counts, in whatever order they are set.
    for minutes in [60, 10] {
        let until = START + Duration::minutes(minutes);
        store.rest_destination(SOMEWHERE, until).await.unwrap();
    }
    assert_eq!(lease_ids(&store, until - MOMENT).await, NOTHING);
    assert_eq!(lease_at(&store, "another", 10, START).await.len(), 1);
    let backlog = store.event_backlog().await.unwrap();
    let rests: Vec<_> = backlog.iter().map(|it| it.rests_until).collect();
    assert_eq!(rests, [None, Some(until)]);
    assert_eq!(lease_ids(&store, until).await, [event]);
}

pub async fn a_destination_that_is_switched_off_keeps_what_waits_until_it_is_on(store: Store) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    let first = happen(&store, account).await;
    let leased = lease_one(&store, START).await;
    let next = START + Duration::HOUR;
    store
        .postpone_event(&leased.lease, next, "away")
        .await
        .unwrap();
    let off = gone();
    assert!(store.switch_destination_off(SOMEWHERE, &off).await.unwrap());
    assert!(!store.switch_destination_off("nowhere", &off).await.unwrap());
    // Relays continue to register it as served.
    serve(&store, SOMEWHERE).await;
    let second = happen(&store, account).await;
    let much_later = START + Duration::days(3_650);
    assert_eq!(lease_ids(&store, much_later).await, NOTHING);
    assert_eq!(store.purge_events(much_later).await.unwrap(), 0);
    let backlog = store.event_backlog().await.unwrap();
    assert_eq!(backlog[0].off, Some(off));
    assert_eq!((backlog[0].accounts_waiting, backlog[0].parked), (1, 0));

    assert_eq!(
        switch_on(&store, "nowhere", START).await,
        SwitchedOn::Unknown
    );
    assert_eq!(switch_on(&store, SOMEWHERE, START).await, SwitchedOn::Done);
    assert_eq!(switch_on(&store, SOMEWHERE, START).await, SwitchedOn::WasOn);
    // Immediately, and in order.
    for event in [first, second] {
        let leased = lease_one(&store, START).await;
        assert_eq!(leased.event.id, event);
        assert!(finish(&store, &leased.lease, START).await);
    }
    assert_eq!(store.event_backlog().await.unwrap()[0].off, None);
}

pub async fn switching_on_ends_a_rest_and_takes_nobodys_lease(store: Store) {
    serve(&store, SOMEWHERE).await;
    happen(&store, id()).await;
    let held = lease_one(&store, START).await;
    let until = START + Duration::DAY;
    store.rest_destination(SOMEWHERE, until).await.unwrap();
    assert_eq!(switch_on(&store, SOMEWHERE, START).await, SwitchedOn::Done);
    assert_eq!(lease_ids(&store, START + LEASE - MOMENT).await, NOTHING);
    assert!(finish(&store, &held.lease, START).await);
}

pub async fn an_event_given_back_lost_no_try(store: Store) {
    serve(&store, SOMEWHERE).await;
    happen(&store, id()).await;
    for _ in 0..3 {
        let leased = lease_one(&store, START).await;
        assert_eq!(leased.attempts, 0);
        let given_back = store.give_event_back(&leased.lease, START, "gone").await;
        assert!(given_back.unwrap());
        let again = store.give_event_back(&leased.lease, START, "gone").await;
        assert!(!again.unwrap());
    }
}

pub async fn of_fifty_who_switch_a_destination_off_one_is_told(store: Store) {
    serve(&store, SOMEWHERE).await;
    for _ in 0..2 {
        let answers = fifty_at_once(|_| {
            let store = store.clone();
            async move {
                let switched = store.switch_destination_off(SOMEWHERE, &gone()).await;
                switched.expect("the queue answers")
            }
        })
        .await;
        assert_eq!(wins(&answers), 1);
        assert_eq!(switch_on(&store, SOMEWHERE, START).await, SwitchedOn::Done);
    }
}
