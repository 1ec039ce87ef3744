//! Metrics: one set of instruments, exposed at `/metrics` and exported over OTLP.
//!
//! ```text
//! use cases, hasher ───────── Meter ──────┐
//! HTTP ───────────────────── HttpMeter ───┤   instruments ─┬─▶ Prometheus text, on request
//! pools, caches, process ─ on collection ─┘                └─▶ OTLP, every 15 seconds
//! ```
//!
//! Frequent events increment preallocated numbers: a counter is an array of atomics, one for each combination of
//! its labels, and is read on collection. So every series exists from the start, at zero. `docs/metrics.md`
//! describes each metric; a test compares it with this code.

mod caches;
mod clients;
mod clock;
mod counts;
mod facts;
mod log;
mod process;
mod providers;
mod requests;
mod saturation;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use adapters_google::OpenIdProvider;
use api_http::ports::{AnsweredRequest, Exposition, HttpMeter};
use authentication_app::{
    caching::Ledger,
    ports::{Measure, Meter},
    timekeeping::ClockFigures,
};
use authentication_domain::federation::ProviderName;
use identity_adapters_postgres::Store;
use opentelemetry::{InstrumentationScope, metrics::MeterProvider as _};
use opentelemetry_otlp::{MetricExporter, Protocol, WithExportConfig as _};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};
use url::Url;

use super::{LogOutput, PATIENCE, TelemetryError, otlp_path, resource};
use crate::{connections::Admission, shutdown::EXPORTS_END};
use facts::Facts;
use requests::Requests;
pub(crate) use saturation::Watched;

/// The interval of the export to a collector.
const EVERY: Duration = Duration::from_secs(15);
/// The media type of `/metrics`.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const SCOPE: &str = "fashionistar-auth";

/// The metrics of one service.
pub(crate) struct Metrics {
    provider: SdkMeterProvider,
    registry: Registry,
    facts: Arc<Facts>,
    requests: Requests,
    log: Arc<OnceLock<LogOutput>>,
}

impl Metrics {
    /// Creates the instruments, and starts the export if an endpoint is set.
    pub(crate) fn start(endpoint: Option<&Url>) -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let shown = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(TelemetryError::Metrics)?;
        let mut provider = SdkMeterProvider::builder()
            .with_resource(resource())
            .with_reader(shown);
        if let Some(endpoint) = endpoint {
            let exporter = MetricExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(otlp_path(endpoint, "metrics"))
                .with_timeout(PATIENCE)
                .build()?;
            let reader = PeriodicReader::builder(exporter).with_interval(EVERY);
            provider = provider.with_reader(reader.build());
        }
        let provider = provider.build();
        let meter = provider.meter_with_scope(InstrumentationScope::builder(SCOPE).build());
        let facts = Arc::new(Facts::new(&meter));
        let requests = Requests::new(&meter);
        process::watch(&meter);
        let log = Arc::default();
        log::watch(&meter, Arc::clone(&log));
        Ok(Self {
            provider,
            registry,
            facts,
            requests,
            log,
        })
    }

    /// The meter for the use cases and adapters.
    pub(crate) fn meter(&self) -> Arc<dyn Meter> {
        Arc::clone(&self.facts) as Arc<dyn Meter>
    }

    /// Reads the saturation of these components on each collection.
    pub(crate) fn watch(&self, watched: Watched) {
        let scope = InstrumentationScope::builder(SCOPE).build();
        saturation::watch(&self.provider.meter_with_scope(scope), watched);
    }

    /// Reads the connections of this store only, on a node without a hasher.
    pub(crate) fn watch_connections(&self, store: &Arc<Store>) {
        let scope = InstrumentationScope::builder(SCOPE).build();
        let meter = self.provider.meter_with_scope(scope);
        saturation::watch_connections(&meter, &Arc::downgrade(store));
    }

    /// Reads the client connections of these listeners, by name, on each collection.
    pub(crate) fn watch_clients(&self, listeners: Vec<(&'static str, Arc<Admission>)>) {
        let scope = InstrumentationScope::builder(SCOPE).build();
        let meter = self.provider.meter_with_scope(scope);
        clients::watch(&meter, &Arc::from(listeners));
    }

    /// Reads the state of identity providers on each collection.
    pub(crate) fn watch_providers(&self, watched: Vec<(ProviderName, Arc<OpenIdProvider>)>) {
        let scope = InstrumentationScope::builder(SCOPE).build();
        let meter = self.provider.meter_with_scope(scope);
        providers::watch(&meter, &Arc::from(watched));
    }

    /// Reads the state of the clocks on each collection.
    pub(crate) fn watch_clock(&self, figures: Arc<ClockFigures>) {
        let scope = InstrumentationScope::builder(SCOPE).build();
        clock::watch(&self.provider.meter_with_scope(scope), figures);
    }

    /// Reads the number of lines that this log dropped on each collection; without a log it is zero.
    pub(crate) fn watch_log(&self, output: LogOutput) {
        // A process has only one log, so a second call has no effect.
        let _ = self.log.set(output);
    }

    /// Reads the figures of each cache on each collection.
    pub(crate) fn watch_caches(&self, caches: &Ledger) {
        let scope = InstrumentationScope::builder(SCOPE).build();
        caches::watch(&self.provider.meter_with_scope(scope), caches);
    }

    /// Exports the last values; gives up after a few seconds.
    pub(crate) async fn shut_down(&self) {
        let provider = self.provider.clone();
        let done =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORTS_END)).await;
        if !matches!(done, Ok(Ok(()))) {
            tracing::warn!("the last metrics may not have been exported");
        }
    }
}

impl HttpMeter for Metrics {
    fn began(&self) {
        self.requests.began();
    }

    fn answered(&self, request: &AnsweredRequest<'_>) {
        self.requests.answered(request);
    }

    fn abandoned(&self) {
        self.requests.abandoned();
    }

    fn exposition(&self) -> Option<Exposition> {
        let mut text = Vec::new();
        let shown = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        if let Err(error) = shown {
            tracing::error!(%error, "the metrics cannot be shown");
            return None;
        }
        Some(Exposition {
            media_type: MEDIA_TYPE,
            text,
        })
    }
}

impl Meter for Facts {
    fn note(&self, measure: Measure) {
        self.take(measure);
    }
}

#[cfg(test)]
mod tests;
