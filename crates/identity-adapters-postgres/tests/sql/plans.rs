//! What statements cost: an index for each, and none to change for the one that runs most.
//!
//! Each watch has a control that takes the index away, or adds one, and must be noticed.

use authentication_app::ports::{SessionQueries as _, UnitOfWorkFactory as _};
use authentication_domain::sessions::{RotationRules, SessionId};
use identity_adapters_postgres::{Store, StoreConfig};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, QueryResult, Statement};
use testkit::{
    TestDatabase,
    builders::{new_account, new_session},
    clock::START,
};
use time::Duration;

use crate::{everything::ask_everything, observer::Statements, store_on};

#[tokio::test]
async fn no_statement_scans_a_table_on_sqlite() {
    let database = TestDatabase::sqlite().await;
    let store = store_on(&database).await;
    let (statements, guard) = Statements::on_this_thread();
    ask_everything(&store).await;
    drop(guard);
    let texts = statements.texts();
    assert!(texts.len() > 40, "{texts:#?}");
    assert_eq!(
        scans_on_sqlite(&database, &texts).await,
        Vec::<String>::new()
    );
    database.execute("DROP INDEX outbox_messages_due_idx").await;
    let mut scans = scans_on_sqlite(&database, &texts).await;
    scans.dedup();
    assert_eq!(scans, ["SCAN outbox_messages"]);
}

async fn scans_on_sqlite(database: &TestDatabase, texts: &[String]) -> Vec<String> {
    let mut scans = Vec::new();
    for text in texts {
        let rows = database.rows(&format!("EXPLAIN QUERY PLAN {text}")).await;
        let steps = rows.iter().map(|row| row.try_get("", "detail").unwrap());
        scans.extend(steps.filter(|step: &String| scans_a_table(step)));
    }
    scans
}

/// Rows of the statement's own making may be gone through one by one.
fn scans_a_table(step: &str) -> bool {
    step.strip_prefix("SCAN ").is_some_and(|what| {
        let own = what.starts_with("CONSTANT ROW")
            || what.contains("-ROW VALUES")
            || [
                "question",
                "dead",
                "codes",
                "due",
                "entry",
                "lane",
                "found LEFT-JOIN",
            ]
            .contains(&what);
        !own
    })
}

#[tokio::test]
async fn no_statement_scans_a_table_on_postgres() {
    let database = TestDatabase::postgres().await;
    let store = unwilling_to_scan(&database).await;
    ask_everything(&store).await;
    store.close().await;
    assert_eq!(scanned_on_postgres(&database).await, Vec::<String>::new());
    database.execute("DROP INDEX outbox_messages_due_idx").await;
    let store = unwilling_to_scan(&database).await;
    ask_everything(&store).await;
    store.close().await;
    assert_eq!(scanned_on_postgres(&database).await, ["outbox_messages"]);
}

#[tokio::test]
async fn erasing_an_account_scans_no_other_table_on_postgres() {
    let database = TestDatabase::postgres().await;
    let store = unwilling_to_scan(&database).await;
    begin_session(&store).await;
    store.close().await;
    database
        .execute("SET enable_seqscan = off; DELETE FROM accounts WHERE id IS NOT NULL")
        .await;
    let mut scanned = scanned_on_postgres(&database).await;
    scanned.retain(|table| table != "accounts");
    assert_eq!(scanned, Vec::<String>::new());
    for table in [
        "account_keys",
        "identifier_index",
        "profiles",
        "sessions",
        "passkeys",
    ] {
        assert_eq!(database.count(table).await, 0, "{table}");
    }
}

/// With `enable_seqscan` off PostgreSQL goes through a whole table only if no index will do.
async fn unwilling_to_scan(database: &TestDatabase) -> Store {
    let url = format!("{}?options=-c%20enable_seqscan%3Doff", database.url());
    Store::connect(&StoreConfig::new(url)).await.unwrap()
}

async fn scanned_on_postgres(database: &TestDatabase) -> Vec<String> {
    let question = "SELECT relname FROM pg_stat_user_tables WHERE seq_scan > 0 ORDER BY relname";
    let rows = settled_counters(database, question).await;
    rows.iter()
        .map(|row| row.try_get("", "relname").unwrap())
        .collect()
}

#[tokio::test]
async fn a_refresh_changes_no_index_on_postgres() {
    const ROTATIONS: u32 = 20;
    let database = TestDatabase::postgres().await;
    assert_eq!(
        hot_rotations(&database, ROTATIONS).await,
        i64::from(ROTATIONS)
    );
    database
        .execute(
            "CREATE INDEX of_what_a_refresh_changes ON sessions (last_used_at); \
             SELECT pg_stat_reset()",
        )
        .await;
    assert_eq!(hot_rotations(&database, ROTATIONS).await, 0);
}

/// How many of so many rotations left every index as it was.
async fn hot_rotations(database: &TestDatabase, rotations: u32) -> i64 {
    let store = store_on(database).await;
    let session = begin_session(&store).await;
    for generation in 0..rotations {
        let now = START + Duration::seconds(1 + i64::from(generation));
        let rules = RotationRules::default();
        let rotated = store.rotate(session, generation, rules, now).await;
        assert!(rotated.unwrap().is_some());
    }
    store.close().await;
    let question =
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'sessions'";
    let rows = settled_counters(database, question).await;
    let row = rows.first().unwrap();
    assert_eq!(
        row.try_get::<i64>("", "n_tup_upd").unwrap(),
        i64::from(rotations)
    );
    row.try_get("", "n_tup_hot_upd").unwrap()
}

async fn begin_session(store: &Store) -> SessionId {
    let owner = new_account();
    let session = new_session(owner.record.account.id);
    let mut unit = store.begin().await.unwrap();
    unit.accounts().insert(&owner).await.unwrap();
    unit.sessions().begin(&session, 5).await.unwrap();
    unit.commit().await.unwrap();
    session.id
}

/// A connection's counters are added to the tables' when it ends: asks until nobody else is connected.
async fn settled_counters(database: &TestDatabase, question: &str) -> Vec<QueryResult> {
    let connection = database.connect().await;
    let others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
         AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while !ask(&connection, others).await.is_empty() {}
    ask(&connection, question).await
}

async fn ask(connection: &DatabaseConnection, question: &str) -> Vec<QueryResult> {
    let statement = Statement::from_string(connection.get_database_backend(), question);
    connection.query_all_raw(statement).await.unwrap()
}
