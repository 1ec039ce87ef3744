//! What callers learn when something goes wrong, and what nobody learns.

use std::{error::Error as _, time::Duration};

use authentication_app::ports::{
    AccountQueries as _, Maintenance as _, NewAccount, Outage, StoreError, UnitOfWorkFactory as _,
};
use common::money::{Currency, Money};
use identity_adapters_postgres::{Store, StoreConfig};
use testkit::{
    Engine, LogCapture, TestDatabase,
    builders::{new_account, sealed, subject},
    clock::START,
};

use crate::{everything::ask_everything, store_on};

testkit::on_every_engine! {
    async fn a_failed_statement_names_its_constraint_and_no_value(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let mut account = new_account();
        account.record.wallet = Money { minor: -4_711, currency: Currency::NGN };
        let mut unit = store.begin().await.unwrap();
        let error = unit.accounts().insert(&account).await.unwrap_err();
        let told = format!("{error} {error:?} {:?}", error.source());
        assert!(matches!(error, StoreError::Failed(_)), "{told}");
        assert!(told.contains("wallets_balance_minor_check"), "{told}");
        assert!(!told.contains("4711"), "{told}");
    }

    async fn a_unit_in_which_a_statement_failed_cannot_be_committed(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let (first, second) = (new_account(), registered(&store).await);
        let mut unit = store.begin().await.unwrap();
        unit.accounts().insert(&first).await.unwrap();
        unit.accounts().insert(&second).await.unwrap_err();
        unit.commit().await.unwrap_err();
        assert_eq!(store.find_by_subject(first.index.subject).await.unwrap(), None);
        store.begin().await.unwrap();
    }

    async fn a_value_that_was_never_written_is_corrupt(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let owner = registered(&store).await;
        database.execute("UPDATE accounts SET roles = 'client,emperor'").await;
        let error = store.find_by_subject(owner.index.subject).await.unwrap_err();
        let corrupt = StoreError::Corrupt { table: "accounts", column: "roles" };
        assert_eq!(format!("{error:?}"), format!("{corrupt:?}"));
    }

    async fn a_column_of_another_type_is_a_fault_of_ours(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        let owner = registered(&store).await;
        store.close().await;
        database.execute("ALTER TABLE accounts RENAME COLUMN roles TO names_of_roles").await;
        database.execute("ALTER TABLE accounts ADD COLUMN roles integer DEFAULT 1").await;
        let store = store_on(&database).await;
        let error = store.find_by_subject(owner.index.subject).await.unwrap_err();
        let told = format!("{error:?}");
        assert!(matches!(error, StoreError::Failed(_)), "{told}");
        assert!(told.contains("accounts") && told.contains("roles"), "{told}");
    }

    async fn a_closed_store_is_unavailable(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        store.close().await;
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable(Outage::Closed))));
        assert!(matches!(store.begin().await.map(drop), Err(StoreError::Unavailable(_))));
        assert!(matches!(store.purge_expired(START).await, Err(StoreError::Unavailable(_))));
    }

    async fn whoever_finds_no_connection_free_in_time_is_told(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let config = StoreConfig {
            max_connections: 2,
            acquire_timeout: Duration::from_secs(2),
            ..StoreConfig::new(database.url())
        };
        let store = Store::connect(&config).await.unwrap();
        let mut held = Vec::new();
        let refused = loop {
            match store.begin().await {
                Ok(unit) => held.push(unit),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::Unavailable(Outage::NoneFree)), "{refused:?}");
        assert_eq!(held.len(), if engine == Engine::Embedded { 1 } else { 2 });
        held.pop();
        store.begin().await.unwrap();
    }
}

async fn registered(store: &Store) -> NewAccount {
    let owner = new_account();
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(&owner).await.unwrap();
    unit.commit().await.unwrap();
    owner
}

#[tokio::test]
async fn a_lock_that_is_not_let_go_makes_the_rival_try_again_on_postgres() {
    let database = TestDatabase::postgres().await;
    let config = StoreConfig {
        statement_timeout: Duration::from_secs(2),
        ..StoreConfig::new(database.url())
    };
    let store = Store::connect(&config).await.unwrap();
    let account = registered(&store).await.record.account.id;
    let (mut first, mut second) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    first
        .accounts()
        .save_profile(account, 1, &sealed(), START)
        .await
        .unwrap();
    let refused = second
        .accounts()
        .save_profile(account, 1, &sealed(), START)
        .await;
    assert!(matches!(refused, Err(StoreError::Retryable)), "{refused:?}");
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_on_postgres() {
    let database = TestDatabase::postgres().await;
    let config = StoreConfig {
        statement_timeout: Duration::from_secs(1),
        ..StoreConfig::new(database.url())
    };
    let store = Store::connect(&config).await.unwrap();
    let owner = registered(&store).await;
    // Every look at a profile takes a minute from here on.
    database
        .execute(
            "ALTER TABLE profiles RENAME TO slow_profiles; \
             CREATE VIEW profiles AS SELECT p.* FROM slow_profiles p, pg_sleep(60)",
        )
        .await;
    let answer = store.find_by_subject(owner.index.subject).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(Outage::TookTooLong))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_named() {
    for engine in Engine::ALL {
        let database = TestDatabase::empty(engine).await;
        let store = store_on(&database).await;
        let error = store.find_by_subject(subject()).await.unwrap_err();
        let told = error.source().unwrap().to_string();
        assert!(
            told.contains("accounts") || told.contains("identifier_index"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let config = StoreConfig {
        acquire_timeout: Duration::from_millis(100),
        ..StoreConfig::new("postgres://nobody:canary-secret@127.0.0.1:1/nothing")
    };
    let error = Store::connect(&config).await.map(drop).unwrap_err();
    assert!(
        matches!(error, StoreError::Unavailable(Outage::NothingListens)),
        "{error:?}"
    );
    assert!(!format!("{config:?}").contains("canary"));
}

/// What an operator has to do differs, so what is said does.
#[tokio::test]
async fn a_server_that_cannot_be_used_is_said_to_be_so_for_its_reason() {
    async fn refusal(url: &str) -> String {
        let config = StoreConfig {
            acquire_timeout: Duration::from_secs(5),
            ..StoreConfig::new(url)
        };
        let error = Store::connect(&config).await.map(drop).unwrap_err();
        error.to_string()
    }
    let unresolved = refusal("postgres://nobody:canary-secret@nowhere.invalid/nothing").await;
    assert_eq!(
        unresolved,
        "the store is not available: the name of the database's host does not resolve"
    );
    let database = TestDatabase::postgres().await;
    let (server, _) = database.url().rsplit_once('/').unwrap();
    let missing = refusal(&format!("{server}/canary_missing")).await;
    assert_eq!(
        missing,
        "the store is not available: the server has no such database"
    );
    database
        .execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$")
        .await;
    let store = store_on(&database).await;
    let mut unit = store.begin().await.unwrap();
    let refused = unit.accounts().insert(&new_account()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the store is not available: the database is read-only"
    );
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_said_without_quoting_it() {
    for url in [
        "",
        "mysql://canary@localhost/x",
        "canary",
        "postgres://canary:canary@:x/",
    ] {
        let error = Store::connect(&StoreConfig::new(url))
            .await
            .map(drop)
            .unwrap_err();
        let told = format!("{error:?} {:?}", error.source().map(ToString::to_string));
        assert!(matches!(error, StoreError::Failed(_)), "{url}: {told}");
        assert!(told.contains("database URL"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn nothing_that_is_kept_is_logged() {
    let database = TestDatabase::sqlite().await;
    let (log, guard) = LogCapture::on_this_thread();
    let store = store_on(&database).await;
    let owner = registered(&store).await;
    ask_everything(&store).await;
    drop(guard);
    let text = log.text();
    assert!(text.contains("accounts.insert"), "the spans are there");
    let id = owner.record.account.id.to_string();
    for secret in [
        "argon2id",
        "master-1",
        "index-1",
        "refresh-1",
        &id,
        "canary",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}
