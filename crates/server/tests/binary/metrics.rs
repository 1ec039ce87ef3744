//! What a collector gets of the metrics.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::{
    collector::{self, Export},
    process::{Service, get},
};

/// The names of all metrics at `/metrics`, without what Prometheus adds to them.
fn shown(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name != "target_info")
        .map(|name| {
            let name = name.strip_suffix("_total").unwrap_or(name);
            let of_unit = ["_seconds", "_bytes"];
            let bare = of_unit.iter().find_map(|unit| name.strip_suffix(unit));
            bare.unwrap_or(name).to_owned()
        })
        .collect()
}

#[test]
fn a_collector_gets_what_is_shown() {
    let (collector, exports) = collector::start();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{collector}");
    let service = Service::start(folder.path(), &[("TELEMETRY__OTLP_ENDPOINT", &endpoint)]);
    let answer = get(service.public, "/api/v1/countries");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let hidden = get(service.public, "/metrics");
    assert!(hidden.starts_with("HTTP/1.1 404"), "{hidden}");
    let shown = shown(&get(service.management, "/metrics"));
    service.signal(Signal::TERM);
    let (status, ..) = service.ended();
    assert_eq!(status.code(), Some(0));

    let exported: BTreeSet<String> = exports
        .try_iter()
        .filter_map(|export| match export {
            Export::Metrics(metrics) => Some(metrics),
            Export::Traces(_) => None,
        })
        .flat_map(|metrics| metrics.resource_metrics)
        .flat_map(|resource| resource.scope_metrics)
        .flat_map(|scope| scope.metrics)
        .map(|metric| metric.name.replace('.', "_"))
        .collect();
    assert!(exported.contains("http_server_request_duration"));
    // The pools of the database are closed when the last numbers are sent.
    assert_eq!(shown, exported);
}
