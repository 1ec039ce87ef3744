//! The contract of the relational store (`IdentityStore`): one module per slice, one function per fact.
//!
//! An adapter runs all of it with a few lines per engine:
//!
//! ```text
//! mod embedded {
//!     async fn store() -> (Arc<dyn IdentityStore>, TestDatabase) { … }
//!     testkit::store_contract!(store);
//! }
//! ```
//!
//! Races run with many tasks and in several rounds; every fact must hold for every order of the tasks.

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

/// The store that a fact is tested on.
pub type Store = Arc<dyn IdentityStore>;

/// Access to what no port exposes, as of the last commit.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// Action and outcome of every audit entry, in the order of the audit trail.
    async fn audit_entries(&self) -> Vec<(String, String)>;
    /// The CloudEvents `type` of every queued event, in the order of the queue.
    async fn event_types(&self) -> Vec<String>;
    /// The number of messages in the queue, including leased and parked ones.
    async fn message_count(&self) -> i64;
    /// The number of stored sessions, including ended ones.
    async fn session_count(&self) -> i64;
}

/// One test for each fact of the store's contract, in one module per slice.
///
/// Takes the name of an `async fn() -> (Arc<dyn IdentityStore>, impl Inspect)` in the same module. It is called for
/// each test and returns a store on an empty, migrated database. The second value (a
/// [`TestDatabase`](crate::TestDatabase)) is dropped after the store.
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

    /// A fact that is missing in the list would be a test that never runs.
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
