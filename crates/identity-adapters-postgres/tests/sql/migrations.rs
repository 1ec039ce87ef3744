//! The schema: there and back again with data in it, and what its triggers refuse.

use identity_adapters_postgres::{Store, StoreConfig};
use migration::MigratorTrait as _;
use sea_orm::ConnectionTrait as _;
use testkit::{Engine, TestDatabase, clock::START, race::at_once};

use crate::{everything::ask_everything, store_on};

testkit::on_every_engine! {
    async fn the_schema_goes_up_down_and_up_again_with_data_in_it(engine: Engine) {
        let database = TestDatabase::empty(engine).await;
        let store = store_on(&database).await;
        let all = migration::Migrator::migrations().len();
        assert_eq!(store.pending_migrations().await.unwrap().len(), all);
        for _ in 0..2 {
            store.migrate(START).await.unwrap();
            assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
            ask_everything(&store).await;
            assert_eq!(database.count("accounts").await, 1);
            assert_eq!(database.count("audit_entries").await, 2);
            store.revert_migrations(u32::try_from(all).unwrap()).await.unwrap();
            assert_eq!(store.pending_migrations().await.unwrap().len(), all);
        }
        assert_eq!(tables(&database).await, ["seaql_migrations"]);
    }

    async fn migrating_what_is_migrated_changes_nothing(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        ask_everything(&store).await;
        store.migrate(START).await.unwrap();
        store.ensure_audit_partitions(START).await.unwrap();
        assert_eq!(database.count("accounts").await, 1);
    }

    async fn what_a_later_release_applied_is_not_in_the_way(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        database
            .execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_later', 0)")
            .await;
        let store = store_on(&database).await;
        assert_eq!(store.pending_migrations().await.unwrap(), Vec::<String>::new());
        store.migrate(START).await.unwrap();
    }

    async fn audit_entries_cannot_be_changed_or_deleted(engine: Engine) {
        let database = TestDatabase::start(engine).await;
        let store = store_on(&database).await;
        ask_everything(&store).await;
        for refused in [
            "UPDATE audit_entries SET outcome = 'success'",
            "DELETE FROM audit_entries",
            "DELETE FROM audit_entries WHERE action = 'nothing' OR id IS NOT NULL",
        ] {
            assert_refused(&database, refused).await;
        }
        assert_eq!(database.count("audit_entries").await, 2);
    }
}

async fn assert_refused(database: &TestDatabase, sql: &str) {
    let connection = database.connect().await;
    let error = connection
        .execute_unprepared(sql)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("append-only"), "{sql}: {error}");
}

#[tokio::test]
async fn nodes_that_start_at_once_take_turns_on_postgres() {
    let database = TestDatabase::empty(Engine::Production).await;
    let url = database.url().to_owned();
    let migrated = at_once(4, |_| {
        let config = StoreConfig::new(&url);
        async move {
            let store = Store::connect(&config).await.unwrap();
            store.migrate(START).await
        }
    })
    .await;
    assert!(migrated.iter().all(Result::is_ok), "{migrated:?}");
}

#[tokio::test]
async fn the_trail_has_a_partition_for_each_month_ahead_on_postgres() {
    let database = TestDatabase::postgres().await;
    let store = store_on(&database).await;
    ask_everything(&store).await;
    let partitions = tables_like(&database, "audit_entries_y%").await;
    assert_eq!(partitions.len(), 25, "this month and 24 more");
    assert_eq!(
        partitions.first().map(String::as_str),
        Some("audit_entries_y2026m03")
    );
    assert_eq!(database.count("audit_entries_y2026m03").await, 2);
    assert_eq!(database.count("audit_entries_default").await, 0);
    // Nobody gets round the triggers by naming the partition; retention drops it whole.
    assert_refused(&database, "DELETE FROM audit_entries_y2026m03").await;
    assert_refused(&database, "TRUNCATE audit_entries").await;
    database.execute("DROP TABLE audit_entries_y2026m03").await;
    assert_eq!(database.count("audit_entries").await, 0);
}

/// A service that ran for longer than there were partitions.
#[tokio::test]
async fn entries_in_the_default_partition_stop_no_later_month_on_postgres() {
    let database = TestDatabase::postgres().await;
    let store = store_on(&database).await;
    database
        .execute(
            "INSERT INTO audit_entries (id, occurred_at, action, outcome, request_id, context) \
             SELECT gen_random_uuid(), extract(epoch FROM timestamp '2028-05-31 23:59')::bigint * 1000000, \
             'a', 'success', 'r', ''::bytea",
        )
        .await;
    assert_eq!(database.count("audit_entries_default").await, 1);
    store
        .ensure_audit_partitions(START + time::Duration::days(90))
        .await
        .unwrap();
    let partitions = tables_like(&database, "audit_entries_y2028m0%").await;
    assert_eq!(
        partitions,
        [
            "audit_entries_y2028m01",
            "audit_entries_y2028m02",
            "audit_entries_y2028m03",
            "audit_entries_y2028m04"
        ]
    );
}

async fn tables_like(database: &TestDatabase, pattern: &str) -> Vec<String> {
    let sql = format!(
        "SELECT tablename AS name FROM pg_tables WHERE tablename LIKE '{pattern}' ORDER BY 1"
    );
    names(database, &sql).await
}

async fn tables(database: &TestDatabase) -> Vec<String> {
    let sql = match database.engine() {
        Engine::Embedded => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        }
        Engine::Production => "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
    };
    names(database, sql).await
}

async fn names(database: &TestDatabase, sql: &str) -> Vec<String> {
    let rows = database.rows(sql).await;
    rows.iter()
        .map(|row| row.try_get("", "name").unwrap())
        .collect()
}
