//! PgBouncer in front of PostgreSQL: nothing depends on a session, and nothing is left in one.

use std::{error::Error as _, sync::Arc, time::Duration};

use authentication_app::ports::{
    AccountQueries as _, Maintenance as _, StoreError, UnitOfWorkFactory as _,
};
use identity_adapters_postgres::{Condition, Store, StoreConfig};
use sqlx::{ConnectOptions as _, Row as _, postgres::PgConnectOptions};
use testkit::{
    Engine, LogCapture, TestDatabase,
    builders::{new_account, sealed},
    clock::START,
    servers::{PgBouncer, PoolMode},
};
use tokio::task::JoinSet;

use crate::everything::ask_everything;

/// Fewer than the store has connections, so that they take turns.
const SESSIONS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(5);

fn config(url: &str) -> StoreConfig {
    StoreConfig {
        max_connections: 8,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(2),
        ..StoreConfig::new(url)
    }
}

async fn behind(
    database: &TestDatabase,
    mode: PoolMode,
    settings: &str,
) -> (PgBouncer, Arc<Store>) {
    let sessions = if mode == PoolMode::Session {
        30
    } else {
        SESSIONS
    };
    let pooler = PgBouncer::start(database.url(), mode, sessions, settings).await;
    let store = Store::connect(&config(&pooler.url_of(database.url()))).await;
    (pooler, Arc::new(store.unwrap()))
}

/// A command is done in a moment, and its standard error is for what went wrong.
#[tokio::test]
async fn a_pooler_is_told_to_the_log_of_a_node_and_not_of_a_command() {
    let database = TestDatabase::empty(Engine::Production).await;
    let pooler = PgBouncer::start(database.url(), PoolMode::Transaction, SESSIONS, "").await;
    for (tells_of_poolers, level) in [(true, "INFO"), (false, "DEBUG")] {
        let (log, capturing) = LogCapture::on_this_thread();
        let config = StoreConfig {
            tells_of_poolers,
            ..config(&pooler.url_of(database.url()))
        };
        let store = Store::connect(&config).await.unwrap();
        drop(capturing);
        store.close().await;
        let text = log.text();
        let mut told = text
            .lines()
            .filter(|line| line.contains("a pooler is between"));
        assert!(
            told.next().is_some_and(|line| line.contains(level)) && told.next().is_none(),
            "{level}: {text}"
        );
    }
}

/// From the first migration on: each question that the store can ask, and what an operator is told.
#[tokio::test]
async fn everything_works_through_a_pooler() {
    for (mode, more) in [
        (PoolMode::Transaction, ""),
        // What operators add for other drivers: our settings are passed over, and not refused.
        (
            PoolMode::Transaction,
            "ignore_startup_parameters = extra_float_digits, options",
        ),
        (PoolMode::Session, ""),
    ] {
        let database = TestDatabase::empty(Engine::Production).await;
        let (_pooler, store) = behind(&database, mode, more).await;
        store.migrate(START).await.unwrap();
        ask_everything(&store).await;
        assert_eq!(store.condition(PATIENCE).await, Condition::Up);
        let seen = store.examine(|| START).await.unwrap();
        let seen = seen.pooler.unwrap();
        assert_eq!(seen.name, "PgBouncer");
        assert_eq!(
            seen.keeps_sessions,
            Some(mode == PoolMode::Session),
            "{mode:?}"
        );
        store.revert_migrations(1).await.unwrap();
        assert_eq!(store.pending_migrations().await.unwrap().len(), 1);
    }
    let database = TestDatabase::postgres().await;
    let store = Store::connect(&config(database.url())).await.unwrap();
    assert_eq!(store.examine(|| START).await.unwrap().pooler, None);
}

#[tokio::test]
async fn transactions_share_few_sessions_and_none_fails_or_leaves_anything_behind() {
    let database = TestDatabase::postgres().await;
    let (pooler, store) = behind(&database, PoolMode::Transaction, "").await;
    // Another program's prepared statement has the name that the driver would take.
    let options: PgConnectOptions = pooler.url_of(database.url()).parse().unwrap();
    let options = options.extra_float_digits(None);
    let mut others = Vec::new();
    for _ in 0..SESSIONS {
        let mut other = options.connect().await.unwrap();
        sqlx::raw_sql("BEGIN; PREPARE sqlx_s_1 AS SELECT 1; PREPARE sqlx_s_2 AS SELECT 1")
            .execute(&mut other)
            .await
            .unwrap();
        others.push(other);
    }
    for other in &mut others {
        sqlx::raw_sql("COMMIT").execute(other).await.unwrap();
    }
    let mut asked = JoinSet::new();
    for number in 0..60 {
        let store = Arc::clone(&store);
        asked.spawn(async move {
            let account = new_account();
            let mut unit = store.begin().await?;
            unit.accounts().insert(&account).await?;
            unit.commit().await?;
            let found = store.find_by_subject(account.index.subject).await?;
            assert!(found.is_some(), "what was committed is there");
            if number % 10 == 0 {
                store.purge_expired(START).await?;
            }
            Ok::<_, StoreError>(())
        });
    }
    let answers = asked.join_all().await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(database.count("accounts").await, 60);
    // All sessions at once, so that none is missed.
    for other in &mut others {
        sqlx::raw_sql("BEGIN").execute(&mut *other).await.unwrap();
        let left = "SELECT current_setting('statement_timeout') || current_setting('lock_timeout') \
                    || current_setting('idle_in_transaction_session_timeout') \
                    || (SELECT count(*) FROM pg_prepared_statements)";
        let row = sqlx::raw_sql(left).fetch_one(&mut *other).await.unwrap();
        assert_eq!(
            row.get::<String, _>(0),
            "0002",
            "no timeout, and the statements of the other program"
        );
    }
}

#[tokio::test]
async fn each_transaction_through_a_pooler_has_its_timeouts() {
    let database = TestDatabase::postgres().await;
    let (_pooler, store) = behind(&database, PoolMode::Transaction, "").await;
    let owner = new_account();
    let account = owner.record.account.id;
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(&owner).await.unwrap();
    unit.commit().await.unwrap();
    let (mut first, mut second) = (store.begin().await.unwrap(), store.begin().await.unwrap());
    let profile = sealed();
    let saved = first.accounts().save_profile(account, 1, &profile, START);
    saved.await.unwrap();
    let saved = second.accounts().save_profile(account, 1, &profile, START);
    let refused = saved.await;
    assert!(matches!(refused, Err(StoreError::Retryable)), "{refused:?}");
    drop((first, second));
    // Every look at a profile takes a minute from here on.
    database
        .execute(
            "ALTER TABLE profiles RENAME TO slow_profiles; \
             CREATE VIEW profiles AS SELECT p.* FROM slow_profiles p, pg_sleep(60)",
        )
        .await;
    let answer = store.find_by_subject(owner.index.subject).await;
    assert!(
        matches!(answer, Err(StoreError::Unavailable(_))),
        "{answer:?}"
    );
    assert_eq!(still_asking(&database).await, 0);
}

/// Statements about profiles that PostgreSQL works on.
async fn still_asking(database: &TestDatabase) -> i64 {
    let others = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                  AND state = 'active' AND query LIKE '%profiles%'";
    database.count(others).await
}

#[tokio::test]
async fn a_pooler_without_transactions_is_refused_each_time() {
    let database = TestDatabase::postgres().await;
    let pooler = PgBouncer::start(database.url(), PoolMode::Statement, SESSIONS, "").await;
    for _ in 0..20 {
        let refused = Store::connect(&config(&pooler.url_of(database.url()))).await;
        let error = refused.map(drop).unwrap_err();
        let told = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(told.contains("pool_mode"), "{error:?}");
    }
}
