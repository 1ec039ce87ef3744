//! Metrics of the process, from `/proc` on Linux. Other systems do not have these series.

use std::fs;

use adapters_crypto::SystemClock;
use common::Clock as _;
use opentelemetry::metrics::Meter;
use rustix::time::{ClockId, clock_gettime};

pub(super) fn watch(meter: &Meter) {
    let gauge = |name, unit, meaning, read: fn() -> Option<u64>| {
        let _gauge = meter
            .u64_observable_gauge(name)
            .with_unit(unit)
            .with_description(meaning)
            .with_callback(move |observer| {
                if let Some(value) = read() {
                    observer.observe(value, &[]);
                }
            })
            .build();
    };
    gauge(
        "process.resident_memory",
        "By",
        "Memory that the process has in RAM",
        resident_bytes,
    );
    gauge("process.threads", "", "Threads of the process", || {
        of_status("Threads:")
    });
    gauge(
        "process.open_fds",
        "",
        "Files and connections that are open",
        open_files,
    );
    gauge(
        "process.max_fds",
        "",
        "Files and connections that may be open",
        most_open_files,
    );
    let _cpu = meter
        .f64_observable_counter("process.cpu")
        .with_unit("s")
        .with_description("Time of cores that the process has used")
        .with_callback(|observer| observer.observe(cpu_seconds(), &[]))
        .build();
    let started = SystemClock.now().unix_timestamp();
    let _started = meter
        .i64_observable_gauge("process.start_time")
        .with_unit("s")
        .with_description("When the process started, in seconds since 1970")
        .with_callback(move |observer| observer.observe(started, &[]))
        .build();
}

/// A value of `/proc/self/status`, in the unit of that file.
fn of_status(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn resident_bytes() -> Option<u64> {
    of_status("VmRSS:").map(|kibibytes| kibibytes * 1_024)
}

fn open_files() -> Option<u64> {
    let files = fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(files.count()).ok()
}

fn most_open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of CPU stay far below 2^53"
)]
fn cpu_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
