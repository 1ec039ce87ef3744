//! Metrics of saturation: pools and queues, read on collection.

use std::sync::{Arc, Weak};

use adapters_crypto::Argon2Pool;
use identity_adapters_postgres::{Condition, Store};
use opentelemetry::{KeyValue, metrics::Meter};

/// The components to read. Held weakly, so that metrics keep nothing alive.
pub(crate) struct Watched {
    pub(crate) store: Weak<Store>,
    pub(crate) hasher: Weak<Argon2Pool>,
    /// The number of hashing threads, and of hashes that may wait.
    pub(crate) hashing_threads: usize,
    pub(crate) hashing_queue: usize,
}

pub(super) fn watch(meter: &Meter, watched: Watched) {
    let Watched {
        store,
        hasher,
        hashing_threads,
        hashing_queue,
    } = watched;
    watch_hashing(meter, &hasher, [hashing_threads, hashing_queue]);
    watch_connections(meter, &store);
    watch_condition(meter, &store);
}

fn watch_hashing(meter: &Meter, hasher: &Weak<Argon2Pool>, [threads, queue]: [usize; 2]) {
    let gauge = |name, meaning, read: fn(&Argon2Pool) -> usize| {
        let hasher = Weak::clone(hasher);
        let _gauge = meter
            .u64_observable_gauge(name)
            .with_description(meaning)
            .with_callback(move |observer| {
                if let Some(hasher) = hasher.upgrade() {
                    observer.observe(read(&hasher) as u64, &[]);
                }
            })
            .build();
    };
    gauge(
        "auth.hashing.waiting",
        "Password hashes that wait for a thread",
        Argon2Pool::waiting,
    );
    gauge(
        "auth.hashing.busy",
        "Threads that compute a password hash",
        Argon2Pool::busy,
    );
    for (name, meaning, limit) in [
        (
            "auth.hashing.threads",
            "Threads that compute password hashes",
            threads,
        ),
        (
            "auth.hashing.queue_limit",
            "Password hashes that may wait",
            queue,
        ),
    ] {
        let _limit = meter
            .u64_observable_gauge(name)
            .with_description(meaning)
            .with_callback(move |observer| observer.observe(limit as u64, &[]))
            .build();
    }
}

pub(super) fn watch_connections(meter: &Meter, store: &Weak<Store>) {
    let asked = Weak::clone(store);
    let _used = meter
        .u64_observable_gauge("auth.store.connections")
        .with_description("Connections to the database that are open")
        .with_callback(move |observer| {
            for pool in asked.upgrade().iter().flat_map(connections) {
                for (state, count) in [("in_use", pool.in_use), ("idle", pool.idle)] {
                    let labels = [
                        KeyValue::new("pool", pool.name),
                        KeyValue::new("state", state),
                    ];
                    observer.observe(count.into(), &labels);
                }
            }
        })
        .build();
    let asked = Weak::clone(store);
    let _most = meter
        .u64_observable_gauge("auth.store.connections_limit")
        .with_description("Connections to the database that there may be")
        .with_callback(move |observer| {
            for pool in asked.upgrade().iter().flat_map(connections) {
                observer.observe(pool.most.into(), &[KeyValue::new("pool", pool.name)]);
            }
        })
        .build();
}

/// The condition of the database at its last check.
pub(super) fn watch_condition(meter: &Meter, store: &Weak<Store>) {
    let asked = Weak::clone(store);
    let _condition = meter
        .u64_observable_gauge("auth.store.condition")
        .with_description("How the database was found last: 1 for what it is, 0 for the others")
        .with_callback(move |observer| {
            let Some(found) = asked.upgrade().map(|store| store.last_condition()) else {
                return;
            };
            for condition in Condition::ALL {
                let labels = [KeyValue::new("condition", condition.as_str())];
                observer.observe(u64::from(condition == found), &labels);
            }
        })
        .build();
}

fn connections(store: &Arc<Store>) -> Vec<identity_adapters_postgres::PoolUse> {
    store.connections()
}
