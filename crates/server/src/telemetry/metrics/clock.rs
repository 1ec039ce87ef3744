//! Metrics of the clocks, read on collection.

use std::sync::Arc;

use authentication_app::timekeeping::ClockFigures;
use opentelemetry::metrics::Meter;

pub(super) fn watch(meter: &Meter, figures: Arc<ClockFigures>) {
    let asked = Arc::clone(&figures);
    let _give_or_take = meter
        .f64_observable_gauge("auth.clock.uncertainty")
        .with_unit("s")
        .with_description("By how much auth_clock_ahead_seconds may be wrong at the most")
        .with_callback(move |observer| observer.observe(asked.give_or_take().as_secs_f64(), &[]))
        .build();
    let asked = Arc::clone(&figures);
    let _ahead = meter
        .f64_observable_gauge("auth.clock.ahead")
        .with_unit("s")
        .with_description("How far the machine's clock is ahead of the time that all nodes share")
        .with_callback(move |observer| observer.observe(asked.wall_ahead().as_seconds_f64(), &[]))
        .build();
    let _set_backs = meter
        .u64_observable_counter("auth.clock.set_backs")
        .with_description("Times that the shared clock was set back by more than a minute")
        .with_callback(move |observer| observer.observe(figures.set_backs(), &[]))
        .build();
}
