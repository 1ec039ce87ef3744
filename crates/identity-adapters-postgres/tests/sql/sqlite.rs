//! The embedded engine: one writer, many readers, one file or none.

use std::{future::Future as _, pin::pin, task::Poll, time::Duration};

use authentication_app::ports::{
    AccountQueries as _, Maintenance as _, StoreError, UnitOfWorkFactory as _,
};
use identity_adapters_postgres::{Store, StoreConfig};
use sea_orm::ConnectionTrait as _;
use testkit::{TestDatabase, builders::new_account, clock::START};

use crate::{everything::ask_everything, store_on};

#[tokio::test]
async fn readers_go_on_and_writers_queue_while_a_unit_is_open() {
    let database = TestDatabase::sqlite().await;
    let store = store_on(&database).await;
    let owner = new_account();
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(&owner).await.unwrap();

    let subject = owner.index.subject;
    assert_eq!(
        store.find_by_subject(subject).await.unwrap(),
        None,
        "as of the last commit"
    );
    let mut next = pin!(store.begin());
    let waits =
        std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context).is_pending()));
    assert!(waits.await, "there is one writer");

    unit.commit().await.unwrap();
    let next = next.await.unwrap();
    assert_eq!(
        store.find_by_subject(subject).await.unwrap(),
        Some(owner.record)
    );
    drop(next);
}

#[tokio::test]
async fn another_process_that_writes_makes_us_try_again() {
    let database = TestDatabase::sqlite().await;
    let config = StoreConfig {
        statement_timeout: Duration::from_millis(100),
        ..StoreConfig::new(database.url())
    };
    let store = Store::connect(&config).await.unwrap();
    let other = database.connect().await;
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.begin().await.map(drop);
    assert!(matches!(refused, Err(StoreError::Retryable)), "{refused:?}");
    let refused = store.purge_expired(START).await;
    assert!(matches!(refused, Err(StoreError::Retryable)), "{refused:?}");
    other.execute_unprepared("ROLLBACK").await.unwrap();
    store.begin().await.unwrap();
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let database = TestDatabase::sqlite().await;
    let owner = new_account();
    let store = store_on(&database).await;
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(&owner).await.unwrap();
    unit.commit().await.unwrap();
    store.close().await;
    let store = store_on(&database).await;
    let found = store.find_by_subject(owner.index.subject).await.unwrap();
    assert_eq!(found, Some(owner.record));
}

#[tokio::test]
async fn a_database_in_memory_needs_no_file() {
    let config = StoreConfig::new("sqlite::memory:");
    let store = Store::connect(&config).await.unwrap();
    store.migrate(START).await.unwrap();
    assert_eq!(
        store.pending_migrations().await.unwrap(),
        Vec::<String>::new()
    );
    ask_everything(&store).await;
    let other = Store::connect(&config).await.unwrap();
    assert!(
        !other.pending_migrations().await.unwrap().is_empty(),
        "each is its own"
    );
}

#[tokio::test]
async fn a_commit_is_on_the_disk_before_it_is_answered() {
    let database = TestDatabase::sqlite().await;
    let store = store_on(&database).await;
    ask_everything(&store).await;
    let rows = database.rows("PRAGMA journal_mode").await;
    assert_eq!(
        rows[0].try_get::<String>("", "journal_mode").unwrap(),
        "wal"
    );
}
