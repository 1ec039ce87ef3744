//! Counters whose labels have a fixed set of values: an array of atomics.

use std::{
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use authentication_app::ports::Label;
use opentelemetry::{KeyValue, metrics::Meter};

/// The name and the description of a counter.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
}

struct Cell {
    count: AtomicU64,
    labels: Vec<KeyValue>,
}

/// A counter with one series per label set, all exported from the start.
#[derive(Clone)]
pub(super) struct Series(Arc<[Cell]>);

impl Series {
    pub(super) fn register(meter: &Meter, named: &Named, labels: Vec<Vec<KeyValue>>) -> Self {
        let cells = labels.into_iter().map(|labels| Cell {
            count: AtomicU64::new(0),
            labels,
        });
        let series = Self(cells.collect());
        let shown = series.clone();
        let _registered = meter
            .u64_observable_counter(named.name)
            .with_description(named.meaning)
            .with_callback(move |observer| {
                for cell in shown.0.iter() {
                    observer.observe(cell.count.load(Ordering::Relaxed), &cell.labels);
                }
            })
            .build();
        series
    }

    /// Increments the series of the label set at `position`.
    pub(super) fn add(&self, position: usize) {
        if let Some(cell) = self.0.get(position) {
            cell.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A counter with two labels, or with one and `()`.
pub(super) struct Counts<A, B = ()> {
    series: Series,
    labels: PhantomData<fn(A, B)>,
}

impl<A: Label, B: Label> Counts<A, B> {
    pub(super) fn register(meter: &Meter, named: &Named, keys: [&'static str; 2]) -> Self {
        let [first, second] = keys;
        let labels = A::ALL.iter().flat_map(|a| {
            B::ALL.iter().map(move |b| {
                let both = [(first, a.as_str()), (second, b.as_str())];
                let named = both.into_iter().filter(|(key, _)| !key.is_empty());
                named.map(|(key, word)| KeyValue::new(key, word)).collect()
            })
        });
        Self {
            series: Series::register(meter, named, labels.collect()),
            labels: PhantomData,
        }
    }

    pub(super) fn add(&self, a: A, b: B) {
        self.series.add(a.position() * B::ALL.len() + b.position());
    }
}
