//! A PostgreSQL that stops, restarts, freezes, or vanishes behind its address.

use std::{sync::Arc, time::Duration};

use authentication_app::ports::{
    AccountQueries as _, Maintenance as _, StoreError, UnitOfWorkFactory as _,
};
use identity_adapters_postgres::{Condition, Store, StoreConfig};
use testkit::{
    TestDatabase,
    builders::{new_account, subject},
    clock::START,
    servers::{PostgresServer, Proxy},
};
use tokio::task::JoinSet;

use crate::store_on;

const CONNECTIONS: u32 = 8;
/// For one answer of [`Store::condition`].
const PATIENCE: Duration = Duration::from_secs(5);

async fn store_at(url: &str) -> Arc<Store> {
    let config = StoreConfig {
        max_connections: CONNECTIONS,
        acquire_timeout: Duration::from_secs(1),
        statement_timeout: Duration::from_secs(1),
        ..StoreConfig::new(url)
    };
    Arc::new(Store::connect(&config).await.unwrap())
}

async fn migrated_store_at(url: &str) -> Arc<Store> {
    let store = store_at(url).await;
    store.migrate(START).await.unwrap();
    store
}

/// More questions at once than there are connections.
async fn ask_many(store: &Arc<Store>) -> Vec<Result<(), StoreError>> {
    let mut asked = JoinSet::new();
    for number in 0..3 * CONNECTIONS {
        let store = Arc::clone(store);
        asked.spawn(async move {
            if number % 2 == 0 {
                store.find_by_subject(subject()).await.map(drop)
            } else {
                store.begin().await.map(drop)
            }
        });
    }
    asked.join_all().await
}

fn all_are_unavailable(answers: &[Result<(), StoreError>]) -> bool {
    let is_unavailable = |it: &Result<_, _>| matches!(it, Err(StoreError::Unavailable(_)));
    answers.iter().all(is_unavailable)
}

async fn until_it_answers(store: &Store) {
    while store.ping().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn heavy_connections_that_a_restart_broke_cost_nobody_an_answer() {
    let server = PostgresServer::start().await;
    let store = migrated_store_at(&server.url()).await;
    // Opens all connections.
    assert!(ask_many(&store).await.iter().all(Result::is_ok));
    server.stop_immediately();
    server.restart().await;
    // Nobody asked meanwhile, so the pool has nothing but broken connections.
    let answers = ask_many(&store).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn heavy_a_server_that_is_away_is_said_to_be_and_comes_back() {
    let server = PostgresServer::start().await;
    let store = migrated_store_at(&server.url()).await;
    let mut unit = store.begin().await.unwrap();
    let cut_off = new_account();
    unit.accounts().insert(&cut_off).await.unwrap();
    server.stop_immediately();
    let refused = unit.commit().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(all_are_unavailable(&ask_many(&store).await));
    assert_eq!(store.condition(PATIENCE).await, Condition::Away);
    server.restart().await;
    until_it_answers(&store).await;
    assert_eq!(store.condition(PATIENCE).await, Condition::Up);
    assert!(ask_many(&store).await.iter().all(Result::is_ok));
    let found = store.find_by_subject(cut_off.index.subject).await.unwrap();
    assert_eq!(found, None, "nobody said it was written");
}

#[tokio::test]
async fn heavy_nobody_waits_for_a_server_that_is_frozen() {
    let server = PostgresServer::start().await;
    let store = migrated_store_at(&server.url()).await;
    let mut unit = store.begin().await.unwrap();
    let unknown = new_account();
    unit.accounts().insert(&unknown).await.unwrap();
    server.freeze();
    let (committed, others) = tokio::join!(unit.commit(), ask_many(&store));
    assert!(
        matches!(committed, Err(StoreError::Unavailable(_))),
        "{committed:?}"
    );
    assert!(all_are_unavailable(&others), "{others:?}");
    // As many as would take half an hour if each waited for a second.
    for _ in 0..2_000 {
        assert!(matches!(
            store.ping().await,
            Err(StoreError::Unavailable(_))
        ));
    }
    assert_eq!(store.condition(PATIENCE).await, Condition::Away);
    server.thaw();
    until_it_answers(&store).await;
    assert!(ask_many(&store).await.iter().all(Result::is_ok));
    // Whether it was written was not known; from here on it is one or the other, and whole.
    let account = store.find_by_subject(unknown.index.subject).await.unwrap();
    if account.is_none() {
        let mut unit = store.begin().await.unwrap();
        unit.accounts().insert(&unknown).await.unwrap();
        unit.commit().await.unwrap();
    }
}

#[tokio::test]
async fn heavy_connections_that_lead_nowhere_are_left_behind() {
    let database = TestDatabase::postgres().await;
    let proxy = Proxy::before(database.url());
    let store = store_at(proxy.url()).await;
    assert!(ask_many(&store).await.iter().all(Result::is_ok));
    // The machine behind the address is another one now, and the old one sends no farewell.
    proxy.swallow_what_is_open();
    // Nobody answers these; their connections, and those that nobody has tried yet, are given up together.
    while store.find_by_subject(subject()).await.is_err() {}
    for _ in 0..3 {
        let answers = ask_many(&store).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
}

#[tokio::test]
async fn a_server_whose_connections_are_all_in_use_is_busy_and_not_away() {
    let database = TestDatabase::postgres().await;
    let store = store_at(database.url()).await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(store.begin().await.unwrap());
    }
    let refused = store.begin().await.map(drop);
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    let condition = store.condition(Duration::from_millis(300)).await;
    assert_eq!(condition, Condition::Busy);
    drop(held);
    assert_eq!(store.condition(PATIENCE).await, Condition::Up);
}

testkit::on_every_engine! {
    async fn a_database_that_answers_is_up(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        assert_eq!(store.condition(PATIENCE).await, Condition::Up);
        store.close().await;
        assert_eq!(store.condition(PATIENCE).await, Condition::Away);
    }
}
