//! Several servers, one of which takes writes; and one that takes none, or not ours.

use std::{error::Error as _, time::Duration};

use authentication_app::ports::{
    AccountQueries as _, NewAccount, StoreError, UnitOfWorkFactory as _,
};
use identity_adapters_postgres::{Condition, Store, StoreConfig};
use testkit::{
    Engine, LogCapture, TestDatabase, builders::new_account, clock::START, servers::PostgresServer,
};

const PATIENCE: Duration = Duration::from_secs(5);

fn config(url: &str) -> StoreConfig {
    StoreConfig {
        acquire_timeout: Duration::from_secs(1),
        ..StoreConfig::new(url)
    }
}

async fn register(store: &Store) -> Result<NewAccount, StoreError> {
    let account = new_account();
    let mut unit = store.begin().await?;
    unit.accounts().insert(&account).await?;
    unit.commit().await?;
    Ok(account)
}

async fn until_it_writes(store: &Store) {
    while register(store).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn heavy_of_several_servers_the_one_that_takes_writes_is_found_also_after_a_promotion() {
    let primary = PostgresServer::start().await;
    let migrating = Store::connect(&config(&primary.url())).await.unwrap();
    migrating.migrate(START).await.unwrap();
    let known = register(&migrating).await.unwrap();
    migrating.close().await;
    let standby = primary.standby().await;
    let both = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres",
        standby.port(),
        primary.port()
    );
    // Unsaid it is the same, but that reads go on while there is none.
    let said = format!("{both}?target_session_attrs=read-write");
    let (unsaid, said) = (
        Store::connect(&config(&both)).await.unwrap(),
        Store::connect(&config(&said)).await.unwrap(),
    );
    let alone = Store::connect(&config(&standby.url())).await.unwrap();
    for store in [&unsaid, &said] {
        register(store).await.unwrap();
        assert_eq!(store.condition(PATIENCE).await, Condition::Up);
    }
    // One that knows the standby alone reads, and says that it is read-only.
    let refused = register(&alone).await.map(drop);
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(alone.condition(PATIENCE).await, Condition::ReadOnly);
    assert_eq!(alone.last_condition(), Condition::ReadOnly);
    let seen = alone.examine(|| START).await.unwrap();
    assert!(seen.is_replica && seen.is_read_only, "{seen:?}");
    let found = alone.find_by_subject(known.index.subject).await.unwrap();
    assert!(found.is_some());
    let wanted = format!("{}?target_session_attrs=primary", standby.url());
    let config_of_none = StoreConfig {
        start_timeout: Duration::from_secs(1),
        ..config(&wanted)
    };
    let none = Store::connect(&config_of_none).await.map(drop).unwrap_err();
    let told = none.source().map(ToString::to_string).unwrap_or_default();
    assert!(told.contains("target_session_attrs"), "{none:?}");

    primary.stop();
    while unsaid.find_by_subject(known.index.subject).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(unsaid.condition(PATIENCE).await, Condition::ReadOnly);
    assert!(register(&said).await.is_err());
    assert_ne!(said.condition(PATIENCE).await, Condition::Up);
    standby.promote();
    for store in [&unsaid, &said, &alone] {
        until_it_writes(store).await;
        assert_eq!(store.condition(PATIENCE).await, Condition::Up);
    }
}

#[tokio::test]
async fn a_database_that_takes_no_writes_or_lacks_rights_or_tables_is_told_once() {
    let database = TestDatabase::postgres().await;
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let role = format!("{name}_node");
    database
        .execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
        ))
        .await;
    let url = database.url().replace("postgres@", &format!("{role}@"));
    let (log, guard) = LogCapture::on_this_thread();
    let store = Store::connect(&config(&url)).await.unwrap();
    assert_eq!(store.condition(PATIENCE).await, Condition::Up);
    let read_only = format!("ALTER ROLE {role} SET default_transaction_read_only = on");
    for (change, back, expected, told) in [
        (
            format!("REVOKE UPDATE ON sessions, accounts FROM {role}"),
            format!("GRANT UPDATE ON sessions, accounts TO {role}"),
            Condition::Denied,
            "accounts, sessions",
        ),
        (
            "ALTER TABLE accounts RENAME TO elsewhere".to_owned(),
            "ALTER TABLE elsewhere RENAME TO accounts".to_owned(),
            Condition::Foreign,
            "are not in the database",
        ),
        (
            format!(
                "{read_only}; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"
            ),
            format!("ALTER ROLE {role} RESET default_transaction_read_only"),
            Condition::ReadOnly,
            "PostgreSQL is read-only",
        ),
    ] {
        database.execute(&change).await;
        assert_eq!(store.condition(PATIENCE).await, expected, "{change}");
        assert_eq!(store.condition(PATIENCE).await, expected);
        assert_eq!(store.last_condition(), expected);
        assert_eq!(log.text().matches(told).count(), 1, "{}", log.text());
        assert_eq!(
            store.is_read_only().await.unwrap(),
            expected == Condition::ReadOnly
        );
        database.execute(&back).await;
        // Sessions that began read-only are left behind.
        while store.condition(PATIENCE).await != Condition::Up {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    drop(guard);
    store.close().await;
    drop(database);
    let other = TestDatabase::empty(Engine::Production).await;
    other.execute(&format!("DROP ROLE {role}")).await;
}
