//! Metrics of client connections, read from their listeners on collection.

use std::sync::Arc;

use opentelemetry::{KeyValue, metrics::Meter};

use crate::connections::{Admission, Counted};

/// Listeners by name.
type Listeners = Arc<[(&'static str, Arc<Admission>)]>;

pub(super) fn watch(meter: &Meter, listeners: &Listeners) {
    gauge(
        meter,
        listeners,
        [
            "auth.connections.open",
            "Connections of clients that are open",
        ],
        Admission::open,
    );
    gauge(
        meter,
        listeners,
        [
            "auth.connections.limit",
            "Connections of clients that may be open",
        ],
        Admission::most,
    );
    counter(
        meter,
        listeners,
        [
            "auth.connections.refused",
            "Connections of clients that were refused",
        ],
        Admission::refused,
    );
    counter(
        meter,
        listeners,
        [
            "auth.connections.cut",
            "Connections of clients that were closed from here",
        ],
        Admission::cut,
    );
}

fn gauge(
    meter: &Meter,
    listeners: &Listeners,
    [name, meaning]: [&'static str; 2],
    read: fn(&Admission) -> usize,
) {
    let listeners = Arc::clone(listeners);
    let _registered = meter
        .u64_observable_gauge(name)
        .with_description(meaning)
        .with_callback(move |observer| {
            for (listener, admission) in listeners.iter() {
                let of = KeyValue::new("listener", *listener);
                observer.observe(read(admission) as u64, &[of]);
            }
        })
        .build();
}

fn counter(
    meter: &Meter,
    listeners: &Listeners,
    [name, meaning]: [&'static str; 2],
    read: fn(&Admission) -> Counted,
) {
    let listeners = Arc::clone(listeners);
    let _registered = meter
        .u64_observable_counter(name)
        .with_description(meaning)
        .with_callback(move |observer| {
            for (listener, admission) in listeners.iter() {
                let of = KeyValue::new("listener", *listener);
                for (reason, count) in read(admission) {
                    observer.observe(count, &[of.clone(), KeyValue::new("reason", reason)]);
                }
            }
        })
        .build();
}
