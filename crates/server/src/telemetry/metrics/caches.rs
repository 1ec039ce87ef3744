//! Metrics of the caches, read from their ledger on collection.

use authentication_app::caching::{Figures, Ledger};
use opentelemetry::{KeyValue, metrics::Meter};

/// The values of one counter for a cache, each with the value of its label.
type Shown = fn(&Figures) -> Vec<(&'static str, u64)>;

pub(super) fn watch(meter: &Meter, caches: &Ledger) {
    show(
        meter,
        caches,
        ["auth.cache.lookups", "Questions to a cache", "outcome"],
        |cache| {
            vec![
                ("hit", cache.hits),
                ("miss", cache.misses),
                ("unavailable", cache.unavailable),
            ]
        },
    );
    show(
        meter,
        caches,
        ["auth.cache.loads", "Loads for a cache", "reason"],
        |cache| vec![("asked_for", cache.loads), ("early", cache.early_refreshes)],
    );
    show(
        meter,
        caches,
        [
            "auth.cache.loads_lost",
            "Loads whose value a cache did not keep",
            "reason",
        ],
        |cache| vec![("failed", cache.failures), ("overtaken", cache.overtaken)],
    );
}

fn show(meter: &Meter, caches: &Ledger, [name, meaning, label]: [&'static str; 3], shown: Shown) {
    let caches = caches.clone();
    let _registered = meter
        .u64_observable_counter(name)
        .with_description(meaning)
        .with_callback(move |observer| {
            for cache in caches.read() {
                for (word, count) in shown(&cache) {
                    let of = KeyValue::new("cache", cache.intent.name);
                    observer.observe(count, &[of, KeyValue::new(label, word)]);
                }
            }
        })
        .build();
}
