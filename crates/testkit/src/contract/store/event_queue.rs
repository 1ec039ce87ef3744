//! The event queue as the relay sees it: which events are leased to whom, and when.

use authentication_app::ports::{EventEnvelope, Lease, LeaseRequest, LeasedEvent, ParkedSelection};
use authentication_domain::{accounts::AccountId, events::EventId};
use time::{Duration, OffsetDateTime};

use super::Store;
use crate::{
    builders::{event_envelope, id, session_ended, uuid_at},
    clock::START,
};

const MOMENT: Duration = Duration::MICROSECOND;
pub(super) const LEASE: Duration = Duration::MINUTE;
pub(super) const NOTHING: [EventId; 0] = [];
/// The destination of tests that need only one.
pub(super) const SOMEWHERE: &str = "redis";

/// Registers a destination as served.
pub(super) async fn serve(store: &Store, destination: &str) {
    let served = store.serve_destination(destination, START).await;
    served.expect("a destination is served");
}

/// Writes `count` events of an account in one unit.
pub(super) async fn write(store: &Store, account: AccountId, count: usize) -> Vec<EventEnvelope> {
    let events: Vec<_> = (0..count)
        .map(|_| event_envelope(session_ended(account)))
        .collect();
    in_unit!(store, outbox.append_events(&events)).expect("events are written");
    events
}

/// Writes one event of an account.
pub(super) async fn happen(store: &Store, account: AccountId) -> EventId {
    write(store, account, 1).await[0].id
}

pub(super) async fn lease_at(
    store: &Store,
    destination: &str,
    most: u32,
    now: OffsetDateTime,
) -> Vec<LeasedEvent> {
    let request = LeaseRequest {
        destination,
        most,
        token: uuid_at(now),
        until: now + LEASE,
        now,
    };
    let leased = store.lease_events(&request).await;
    leased.expect("the queue answers")
}

/// The ids of the leased events, in the order of the leases.
pub(super) fn ids(leased: &[LeasedEvent]) -> Vec<EventId> {
    leased.iter().map(|leased| leased.event.id).collect()
}

pub(super) async fn lease_ids(store: &Store, now: OffsetDateTime) -> Vec<EventId> {
    ids(&lease_at(store, SOMEWHERE, 100, now).await)
}

/// The only event that is due.
pub(super) async fn lease_one(store: &Store, now: OffsetDateTime) -> LeasedEvent {
    let leased = lease_at(store, SOMEWHERE, 100, now).await;
    let [leased] = <[_; 1]>::try_from(leased).expect("one event is due");
    leased
}

pub(super) async fn finish(store: &Store, lease: &Lease, now: OffsetDateTime) -> bool {
    let finished = store.finish_events(std::slice::from_ref(lease), now).await;
    finished.expect("the queue answers") == [true]
}

async fn park(store: &Store, leased: &LeasedEvent, now: OffsetDateTime) {
    let parked = store.park_event(&leased.lease, 7, "refused", now).await;
    assert!(parked.expect("the queue answers"));
}

pub async fn an_event_is_leased_as_it_was_written(store: Store) {
    serve(&store, SOMEWHERE).await;
    let written = &write(&store, id(), 1).await[0];
    let leased = lease_one(&store, START).await;
    assert_eq!((leased.attempts, leased.lease.resent), (0, false));
    let event = leased.event;
    assert_eq!((event.id, event.at), (written.id, written.at));
    assert_eq!(event.type_name, written.event.type_name());
    assert_eq!(event.account, written.event.account());
    assert_eq!(event.request_id, written.request_id.as_str());
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!(data, written.event.data());
}

pub async fn a_destination_gets_what_is_written_after_it_was_added(store: Store) {
    let account = id();
    happen(&store, account).await;
    serve(&store, SOMEWHERE).await;
    assert_eq!(lease_ids(&store, START).await, NOTHING);
    let later = happen(&store, account).await;
    serve(&store, SOMEWHERE).await;
    assert_eq!(lease_ids(&store, START).await, [later]);
}

pub async fn a_destination_holds_up_no_other(store: Store) {
    serve(&store, "away").await;
    serve(&store, SOMEWHERE).await;
    let account = id();
    let events = write(&store, account, 2).await;
    let stuck = lease_at(&store, "away", 10, START).await;
    assert_eq!(ids(&stuck), [events[0].id]);
    for event in &events {
        let leased = lease_one(&store, START).await;
        assert_eq!(leased.event.id, event.id);
        assert!(finish(&store, &leased.lease, START).await);
    }
    assert_eq!(lease_ids(&store, START).await, NOTHING);
    let again = lease_at(&store, "away", 10, START + LEASE).await;
    assert_eq!(ids(&again), [events[0].id]);
}

pub async fn events_of_an_account_are_leased_one_after_the_other(store: Store) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    let mut events = write(&store, account, 2).await;
    events.extend(write(&store, account, 2).await);
    let others = happen(&store, id()).await;
    let first = lease_at(&store, SOMEWHERE, 100, START).await;
    assert_eq!(ids(&first), [events[0].id, others]);
    assert!(finish(&store, &first[1].lease, START).await);
    for (leased, next) in events.iter().zip(&events[1..]) {
        assert_eq!(lease_ids(&store, START).await, NOTHING);
        let due = START + LEASE;
        let held = lease_at(&store, SOMEWHERE, 1, due).await;
        assert_eq!(ids(&held), [leased.id]);
        assert!(finish(&store, &held[0].lease, START).await);
        let leased = lease_at(&store, SOMEWHERE, 1, START).await;
        assert_eq!(ids(&leased), [next.id]);
    }
}

pub async fn a_leased_event_is_nobody_elses_until_the_lease_ends(store: Store) {
    serve(&store, SOMEWHERE).await;
    let written = happen(&store, id()).await;
    let mut now = START;
    for attempts in 0..3 {
        let leased = lease_one(&store, now).await;
        assert_eq!((leased.event.id, leased.attempts), (written, attempts));
        assert_eq!(lease_ids(&store, now + LEASE - MOMENT).await, NOTHING);
        now += LEASE;
    }
}

pub async fn an_event_is_not_due_before_its_time(store: Store) {
    serve(&store, SOMEWHERE).await;
    let written = happen(&store, id()).await;
    assert_eq!(lease_ids(&store, START - MOMENT).await, NOTHING);
    assert_eq!(lease_ids(&store, START).await, [written]);
}

pub async fn whoever_lost_the_lease_changes_nothing(store: Store) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    let events = write(&store, account, 2).await;
    let late = lease_one(&store, START).await;
    let holder = lease_one(&store, START + LEASE).await;
    assert!(!finish(&store, &late.lease, START).await);
    assert!(
        !store
            .postpone_event(&late.lease, START, "late")
            .await
            .unwrap()
    );
    assert!(
        !store
            .park_event(&late.lease, 1, "late", START)
            .await
            .unwrap()
    );
    assert_eq!(lease_ids(&store, START + LEASE).await, NOTHING);
    assert!(finish(&store, &holder.lease, START).await);
    assert!(!finish(&store, &holder.lease, START).await, "twice");
    assert!(!finish(&store, &late.lease, START).await);
    let next = lease_one(&store, START).await;
    assert_eq!(next.event.id, events[1].id);
    let backlog = store.event_backlog().await.unwrap();
    assert_eq!(backlog[0].parked, 0);
}

pub async fn events_finished_together_are_finished_each_for_itself(store: Store) {
    serve(&store, SOMEWHERE).await;
    let goes_on = id();
    let events = write(&store, goes_on, 2).await;
    for account in [id(), id()] {
        happen(&store, account).await;
    }
    let leased = lease_at(&store, SOMEWHERE, 100, START).await;
    let held: Vec<_> = leased.into_iter().map(|it| it.lease).collect();
    assert!(finish(&store, &held[2], START).await);
    let finished = store.finish_events(&held, START).await;
    assert_eq!(finished.unwrap(), [true, true, false]);
    assert!(store.finish_events(&[], START).await.unwrap().is_empty());
    assert_eq!(lease_ids(&store, START).await, [events[1].id]);
    assert_eq!(lease_ids(&store, START + LEASE).await, [events[1].id]);
}

pub async fn a_postponed_event_holds_up_its_account_until_its_time(store: Store) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    let events = write(&store, account, 2).await;
    let mut now = START;
    for attempts in 0..3 {
        let leased = lease_one(&store, now).await;
        assert_eq!((leased.event.id, leased.attempts), (events[0].id, attempts));
        assert_eq!(leased.put_off, attempts);
        // First later than the end of the lease, then earlier.
        let next = now + if attempts == 0 { 5 * LEASE } else { LEASE / 5 };
        let postponed = store.postpone_event(&leased.lease, next, "away").await;
        assert!(postponed.unwrap());
        assert_eq!(lease_ids(&store, next - MOMENT).await, NOTHING);
        now = next;
    }
    let leased = lease_one(&store, now).await;
    assert!(finish(&store, &leased.lease, now).await);
    let next = lease_one(&store, now).await;
    assert_eq!(
        (next.event.id, next.attempts, next.put_off),
        (events[1].id, 0, 0)
    );
}

pub async fn a_lease_that_ended_by_itself_is_no_failure(store: Store) {
    serve(&store, SOMEWHERE).await;
    write(&store, id(), 1).await;
    lease_one(&store, START).await;
    let leased = lease_one(&store, START + LEASE).await;
    assert_eq!((leased.attempts, leased.put_off), (1, 0));
    let now = START + LEASE;
    let postponed = store.postpone_event(&leased.lease, now, "away").await;
    assert!(postponed.unwrap());
    let leased = lease_one(&store, now).await;
    assert_eq!((leased.attempts, leased.put_off), (2, 1));
    park(&store, &leased, now).await;
    let again = store.resend_parked_events(ParkedSelection::All, now).await;
    assert_eq!(again.unwrap(), 1);
    let leased = lease_one(&store, now).await;
    assert_eq!((leased.attempts, leased.put_off), (0, 0));
}

pub async fn a_parked_event_lets_the_next_one_pass(store: Store) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    let events = write(&store, account, 2).await;
    let poison = lease_one(&store, START).await;
    park(&store, &poison, START).await;
    let next = lease_one(&store, START).await;
    assert_eq!((next.event.id, next.attempts), (events[1].id, 0));
    assert!(finish(&store, &next.lease, START).await);
    let much_later = START + Duration::days(3_650);
    assert_eq!(lease_ids(&store, much_later).await, NOTHING);
    let listed = store.list_parked_events(SOMEWHERE, 0, 10).await.unwrap();
    let [parked] = <[_; 1]>::try_from(listed).expect("one is parked");
    assert_eq!((parked.id, parked.account), (events[0].id, account));
    assert_eq!(parked.type_name, events[0].event.type_name());
    assert_eq!((parked.attempts, parked.failure.as_str()), (7, "refused"));
    assert_eq!((parked.occurred_at, parked.parked_at), (START, START));
    let after = store
        .list_parked_events(SOMEWHERE, parked.sequence, 10)
        .await;
    assert!(after.unwrap().is_empty());
}

pub async fn a_parked_event_is_sent_again_when_asked(store: Store) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    write(&store, account, 1).await;
    let poison = lease_one(&store, START).await;
    park(&store, &poison, START).await;
    let unknown = ParkedSelection::One(id());
    assert_eq!(store.resend_parked_events(unknown, START).await.unwrap(), 0);
    let this = ParkedSelection::One(poison.event.id);
    assert_eq!(store.resend_parked_events(this, START).await.unwrap(), 1);
    assert_eq!(store.resend_parked_events(this, START).await.unwrap(), 0);
    let again = lease_one(&store, START).await;
    assert_eq!((again.event.clone(), again.attempts), (poison.event, 0));
    assert!(again.lease.resent);
    // It fails and is parked once more, and is resent with all others.
    park(&store, &again, START).await;
    assert_eq!(lease_ids(&store, START + LEASE).await, NOTHING);
    let all = ParkedSelection::All;
    assert_eq!(store.resend_parked_events(all, START).await.unwrap(), 1);
    let last = lease_one(&store, START).await;
    assert!(finish(&store, &last.lease, START).await);
    assert_eq!(store.resend_parked_events(all, START).await.unwrap(), 0);
    assert_eq!(lease_ids(&store, START + LEASE).await, NOTHING);
}

pub async fn an_event_that_is_sent_again_stands_in_nobodys_way(store: Store) {
    serve(&store, SOMEWHERE).await;
    let account = id();
    write(&store, account, 1).await;
    let poison = lease_one(&store, START).await;
    park(&store, &poison, START).await;
    let next = happen(&store, account).await;
    let all = ParkedSelection::All;
    assert_eq!(store.resend_parked_events(all, START).await.unwrap(), 1);
    let both = lease_at(&store, SOMEWHERE, 10, START).await;
    assert_eq!(ids(&both), [poison.event.id, next]);
    for leased in &both {
        assert!(finish(&store, &leased.lease, START).await);
    }
    assert_eq!(lease_ids(&store, START + LEASE).await, NOTHING);
}
