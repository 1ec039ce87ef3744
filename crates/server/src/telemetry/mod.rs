//! Telemetry: log lines on standard error, traces to a collector, metrics for scraping and export, and error
//! reports to Sentry.
//!
//! Logs and traces of a request share its ids: every line of a request has its `request_id` and, when traces are
//! exported, its `trace_id`. The content of a line or a span is decided where it is written, and never includes
//! personal data.

mod fields;
mod json_lines;
mod log_output;
mod log_panic;
mod metrics;
mod reports;
mod traces;

use std::{
    fmt, io, panic,
    sync::{Arc, LazyLock},
    time::Duration,
};

use adapters_crypto::SystemRandom;
use common::SecureRandom as _;
use opentelemetry::KeyValue;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::{Resource, error::OTelSdkError, trace::SdkTracerProvider};
use tracing_subscriber::{
    Layer as _, Registry,
    filter::ParseError,
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};
use url::Url;
use uuid::Uuid;

use crate::{
    config::{LogFormat, TelemetrySettings},
    shutdown::LOG_END,
};

use json_lines::JsonLines;
pub(crate) use log_output::LogOutput;
use log_output::OneLine;
use log_panic::log_panic;
pub(crate) use metrics::{Metrics, Watched};
pub(crate) use traces::TraceContext;

const SERVICE: &str = "fashionistar-auth";

/// The timeout of one export.
const PATIENCE: Duration = Duration::from_secs(5);

/// Identifies this process among the nodes: a random UUID per start, as the semantic conventions of OpenTelemetry
/// recommend. The same for traces and metrics.
static INSTANCE: LazyLock<Uuid> = LazyLock::new(|| {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
});

/// The resource attributes that identify this service to collectors.
fn resource() -> Resource {
    Resource::builder()
        .with_service_name(SERVICE)
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", INSTANCE.to_string()),
        ])
        .build()
}

/// The URL for a signal below the endpoint, which may already contain the path of a signal (OTLP specification).
fn otlp_path(endpoint: &Url, signal: &str) -> String {
    let whole = endpoint.as_str().trim_end_matches('/');
    let base = ["/v1/traces", "/v1/metrics"]
        .iter()
        .find_map(|path| whole.strip_suffix(path))
        .unwrap_or(whole);
    format!("{base}/v1/{signal}")
}

/// Why telemetry cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of log lines is invalid.
    #[error("telemetry.log is no filter")]
    Filter(#[from] ParseError),
    /// An exporter cannot be created.
    #[error("the exporter of traces or metrics cannot be made")]
    Exporter(#[from] ExporterBuildError),
    /// The Prometheus exporter cannot be created.
    #[error("the metrics cannot be shown")]
    Metrics(#[source] OTelSdkError),
    /// The thread that writes the log cannot be started.
    #[error("the log cannot be written")]
    Log(#[source] io::Error),
    /// A global logger is already installed in this process.
    #[error("logging was started before")]
    Started(#[from] TryInitError),
}

/// Logs, traces and reports of this process, from start to flush.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    reports: Option<Arc<sentry::Client>>,
    metrics: Option<Arc<Metrics>>,
    /// Dropped last, so that the other fields can still log.
    log: WrittenToTheEnd,
}

/// Flushes the log when it is dropped.
struct WrittenToTheEnd(LogOutput);

impl Drop for WrittenToTheEnd {
    fn drop(&mut self) {
        self.0.flush(LOG_END);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("traces", &self.traces.is_some())
            .field("reports", &self.reports.is_some())
            .field("metrics", &self.metrics.is_some())
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Starts logging, and the exports if an endpoint is set. To be called once per process.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn start(settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let filter = settings.filter()?;
        let log = LogOutput::to_stderr().map_err(TelemetryError::Log)?;
        let output = log.clone();
        let lines = match settings.log_format {
            LogFormat::Json => JsonLines::new(move || output.clone()).boxed(),
            LogFormat::Text => tracing_subscriber::fmt::layer()
                .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
                .with_writer(move || OneLine(output.clone()))
                .boxed(),
        };
        let traces = match &settings.otlp_endpoint {
            Some(endpoint) => Some(traces::provider(endpoint)?),
            None => None,
        };
        let reports = reports::client(settings);
        Registry::default()
            .with(lines.with_filter(filter))
            .with(traces.as_ref().map(traces::layer))
            .with(reports.clone().map(reports::layer))
            .try_init()?;
        panic::set_hook(Box::new(log_panic));
        Ok(Self {
            traces,
            reports,
            metrics: None,
            log: WrittenToTheEnd(log),
        })
    }

    /// Includes these metrics in [`Self::flush`], and adds the metric of the log to them.
    pub(crate) fn adopt(&mut self, metrics: Arc<Metrics>) {
        metrics.watch_log(self.log.0.clone());
        self.metrics = Some(metrics);
    }

    /// The destination of log lines.
    pub(crate) fn log(&self) -> LogOutput {
        self.log.0.clone()
    }

    /// Exports all pending telemetry concurrently, and flushes the log; gives up after a few seconds.
    pub async fn flush(self) {
        let metrics = async {
            if let Some(metrics) = self.metrics {
                metrics.shut_down().await;
            }
        };
        let traces = async {
            if let Some(provider) = self.traces {
                traces::shut_down(provider).await;
            }
        };
        let reports = async {
            if let Some(client) = self.reports {
                reports::shut_down(client).await;
            }
        };
        tokio::join!(metrics, traces, reports);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_may_be_a_base_or_a_whole_path() {
        let of = |text: &str, signal| otlp_path(&Url::parse(text).unwrap(), signal);
        for text in [
            "http://collector:4318",
            "http://collector:4318/",
            "http://collector:4318/v1/traces",
        ] {
            assert_eq!(of(text, "traces"), "http://collector:4318/v1/traces");
            assert_eq!(of(text, "metrics"), "http://collector:4318/v1/metrics");
        }
        assert_eq!(
            of("https://x.example/otlp", "traces"),
            "https://x.example/otlp/v1/traces"
        );
    }
}
