//! Metrics of the log, read on collection.

use std::sync::{Arc, OnceLock};

use opentelemetry::metrics::Meter;

use crate::telemetry::LogOutput;

pub(super) fn watch(meter: &Meter, log: Arc<OnceLock<LogOutput>>) {
    let dropped = move || log.get().map_or(0, LogOutput::dropped);
    let _dropped = meter
        .u64_observable_counter("auth.log.lines_dropped")
        .with_description("Lines of the log that could not be written")
        .with_callback(move |observer| observer.observe(dropped(), &[]))
        .build();
}
