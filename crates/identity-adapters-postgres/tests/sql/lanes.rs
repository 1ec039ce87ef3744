//! What is on its way to a destination that is none any more.

use std::time::Duration;

use authentication_app::ports::{EventQueue as _, LeaseRequest, UnitOfWorkFactory as _};
use identity_adapters_postgres::Store;
use sea_orm::ConnectionTrait as _;
use testkit::{
    TestDatabase,
    builders::{event_envelope, id, session_ended, uuid_at},
    clock::START,
};
use tokio::time::{sleep, timeout};

use crate::store_on;

const SOMEWHERE: &str = "somewhere";

/// A store whose destination has so many events waiting, each of another account.
async fn store_with_events(database: &TestDatabase, events: usize) -> Store {
    let store = store_on(database).await;
    store.serve_destination(SOMEWHERE, START).await.unwrap();
    let mut unit = store.begin().await.unwrap();
    for _ in 0..events {
        let event = event_envelope(session_ended(id()));
        unit.outbox().append_events(&[event]).await.unwrap();
    }
    unit.commit().await.unwrap();
    store
}

async fn waiting(store: &Store) -> usize {
    let request = LeaseRequest {
        destination: SOMEWHERE,
        most: 10,
        token: uuid_at(START),
        until: START + time::Duration::MINUTE,
        now: START,
    };
    store.lease_events(&request).await.unwrap().len()
}

testkit::on_every_engine! {
    /// Its writer had read that there is the destination, and committed when it was gone.
    async fn a_late_lane_of_a_forgotten_destination_is_cleared_away(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_with_events(&database, 3).await;
        database.execute("DELETE FROM event_destinations").await;
        store.purge_events(START).await.unwrap();
        assert_eq!(database.count("event_lanes").await, 0);
    }

    async fn a_destination_of_the_same_name_gets_nothing_of_before(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_with_events(&database, 3).await;
        database.execute("DELETE FROM event_destinations").await;
        store.serve_destination(SOMEWHERE, START).await.unwrap();
        assert_eq!(waiting(&store).await, 0);
        // Said once more, it takes nothing away.
        let mut unit = store.begin().await.unwrap();
        let event = event_envelope(session_ended(id()));
        unit.outbox().append_events(&[event]).await.unwrap();
        unit.commit().await.unwrap();
        store.serve_destination(SOMEWHERE, START).await.unwrap();
        store.purge_events(START).await.unwrap();
        assert_eq!(waiting(&store).await, 1);
    }
}

#[tokio::test]
async fn whoever_has_a_lane_locked_is_waited_for() {
    let database = TestDatabase::postgres().await;
    let store = store_with_events(&database, 3).await;
    let holder = database.connect().await;
    let lock = "BEGIN; SELECT 1 FROM event_lanes FOR UPDATE";
    holder.execute_unprepared(lock).await.unwrap();
    let mut forgetting = Box::pin(store.forget_destination(SOMEWHERE));
    let waits = timeout(Duration::from_millis(300), &mut forgetting).await;
    assert!(waits.is_err(), "{waits:?}");
    let (gone, committed) = tokio::join!(forgetting, async {
        sleep(Duration::from_millis(10)).await;
        holder.execute_unprepared("COMMIT").await
    });
    committed.unwrap();
    assert!(gone.unwrap());
    assert_eq!(database.count("event_lanes").await, 0);
}
