//! Events as use cases write them.

use authentication_app::ports::{EventEnvelope, StoreError, UnitOfWorkFactory as _};
use authentication_domain::{accounts::AccountId, events::Event, sessions::EndReason};
use identity_adapters_postgres::{Store, StoreConfig};
use testkit::{
    TestDatabase,
    builders::{event_envelope, id},
};

pub(crate) async fn store_on(database: &TestDatabase) -> Store {
    let store = Store::connect(&StoreConfig::new(database.url())).await;
    store.expect("the test database answers")
}

/// Writes so many events of an account in one unit; gives their ids in order.
pub(crate) async fn write(store: &Store, account: AccountId, count: usize) -> Vec<String> {
    let session = |_| Event::SessionEnded {
        account,
        session: id(),
        reason: EndReason::SignedOut,
    };
    let events: Vec<_> = (0..count).map(session).map(event_envelope).collect();
    loop {
        match commit(store, &events).await {
            Ok(()) => break,
            Err(StoreError::Retryable) => {}
            Err(error) => panic!("events cannot be written: {error}"),
        }
    }
    events.iter().map(|event| event.id.to_string()).collect()
}

async fn commit(store: &Store, events: &[EventEnvelope]) -> Result<(), StoreError> {
    let mut unit = store.begin().await?;
    unit.outbox().append_events(events).await?;
    unit.commit().await
}
