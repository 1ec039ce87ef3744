//! What the contract does not say, since it is about SQL: the schema, plans, counts of statements, errors,
//! and the one writer of SQLite.
#![expect(
    clippy::unwrap_used,
    reason = "a broken expectation fails the test, loudly and at its place"
)]

mod clocks;
mod everything;
mod failures;
mod lanes;
mod messages;
mod migrations;
mod observer;
mod outages;
mod plans;
mod poolers;
mod restores;
mod several;
mod sqlite;
mod statements;
mod texts;

use identity_adapters_postgres::{Store, StoreConfig};
use testkit::TestDatabase;

async fn store_on(database: &TestDatabase) -> Store {
    Store::connect(&StoreConfig::new(database.url()))
        .await
        .unwrap()
}
