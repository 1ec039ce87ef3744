//! The contract of the relational store (`IdentityStore`): one module per slice, one function per fact.
//!
//! An adapter runs all of it with a few lines, once per engine:
//!
//! ```text
//! mod embedded {
//!     async fn store() -> (Arc<dyn IdentityStore>, TestDatabase) { … }
//!     testkit::store_contract!(store);
//! }
//! ```
//!
//! Races are run many at once and several rounds; every fact must hold whoever comes first.

#[macro_use]
mod support;

pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod cancellation;
pub mod ceilings;
pub mod challenges;
pub mod codes;
pub mod dependents;
pub mod destinations;
pub mod devices;
pub mod event_queue;
pub mod event_upkeep;
pub mod factor_resets;
mod facts_of_accounts;
mod facts_of_upkeep;
pub mod federation;
pub mod gatherings;
pub mod idempotency;
pub mod identifiers;
pub mod imports;
pub mod in_a_row;
pub mod leases;
pub mod maintenance;
pub mod message_quotas;
pub mod messages;
pub mod notices;
pub mod outbox;
pub mod parked;
pub mod passkeys;
pub mod proofs;
pub mod rekeying;
pub mod reset_links;
pub mod rotation;
pub mod second_factors;
pub mod security_moves;
pub mod sessions;
pub mod shared_time;
mod time_counts;
mod time_spans;
mod time_world;
pub mod unit_of_work;

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::IdentityStore;

/// What a fact is stated about.
pub type Store = Arc<dyn IdentityStore>;

/// A look at what no port shows. Its views are as of the last commit.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// Action and outcome of every audit entry, in the order of the trail.
    async fn audit_entries(&self) -> Vec<(String, String)>;
    /// The CloudEvents `type` of every queued event, in the order of the queue.
    async fn event_types(&self) -> Vec<String>;
    /// How many messages are in the queue, whoever holds them and parked ones too.
    async fn message_count(&self) -> i64;
    /// How many sessions are kept, ended ones too.
    async fn session_count(&self) -> i64;
}

/// One test for each fact of the store's contract, in a module per slice.
///
/// It takes the name of an `async fn() -> (Arc<dyn IdentityStore>, impl Inspect)` beside it, which is called
/// for each test and gives a store on an empty, migrated database. What it gives beside the store (a
/// [`TestDatabase`](crate::TestDatabase)) is dropped after it.
#[macro_export]
macro_rules! store_contract {
    ($factory:ident) => {
        $crate::store_facts_of_accounts!($factory);
        $crate::store_facts_of_upkeep!($factory);
    };
}

/// The tests of one slice; see [`store_contract!`](crate::store_contract).
#[doc(hidden)]
#[macro_export]
macro_rules! store_facts {
    ($factory:ident; $slice:ident: $($fact:ident),+ $(,)?) => {
        mod $slice {
            $(#[test]
            fn $fact() {
                $crate::runtime::run(async {
                    let (store, _database) = super::$factory().await;
                    $crate::contract::store::$slice::$fact(store).await;
                });
            })+
        }
    };
    ($factory:ident; with inspect; $slice:ident: $($fact:ident),+ $(,)?) => {
        mod $slice {
            $(#[test]
            fn $fact() {
                $crate::runtime::run(async {
                    let (store, database) = super::$factory().await;
                    $crate::contract::store::$slice::$fact(store, &database).await;
                });
            })+
        }
    };
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// A fact that nobody listed would be a test that never runs.
    #[test]
    fn every_fact_is_in_the_list() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract/store");
        let list = concat!(
            include_str!("facts_of_accounts.rs"),
            include_str!("facts_of_upkeep.rs")
        );
        let mut facts = 0;
        for file in fs::read_dir(folder).unwrap() {
            let source = fs::read_to_string(file.unwrap().path()).unwrap();
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let (fact, _) = rest.split_once('(').unwrap();
                assert!(
                    list.contains(&format!(" {fact},\n")),
                    "{fact} is not in the list"
                );
                facts += 1;
            }
        }
        assert!(facts > 100, "only {facts} facts were found");
    }
}
