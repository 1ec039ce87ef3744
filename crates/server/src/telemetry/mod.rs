//! What the service tells of itself: log lines on standard error, traces to a collector, metrics to
//! whoever asks, and reports of errors to Sentry.
//!
//! Lines and traces follow one request by its ids: every line of a request carries its `request_id` and, when traces
//! are exported, its `trace_id`. What may be in a line or a span is decided where it is written; nothing
//! personal is.

mod fields;
mod json_lines;
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
    EnvFilter, Layer as _, Registry,
    filter::ParseError,
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};
use url::Url;
use uuid::Uuid;

use crate::config::{LogFormat, TelemetrySettings};

use json_lines::JsonLines;
use log_panic::log_panic;
pub(crate) use metrics::{Metrics, Watched};
pub(crate) use traces::TraceContext;

const SERVICE: &str = "fashionistar-auth";

/// How long one export may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// This process among the nodes, new with every start: a random UUID, as the semantic conventions of OpenTelemetry
/// recommend. The same for traces and metrics.
static INSTANCE: LazyLock<Uuid> = LazyLock::new(|| {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
});

/// Who speaks, for collectors.
fn resource() -> Resource {
    Resource::builder()
        .with_service_name(SERVICE)
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", INSTANCE.to_string()),
        ])
        .build()
}

/// Where a signal goes under the endpoint, which may name the path of one already (OTLP specification).
fn otlp_path(endpoint: &Url, signal: &str) -> String {
    let whole = endpoint.as_str().trim_end_matches('/');
    let base = ["/v1/traces", "/v1/metrics"]
        .iter()
        .find_map(|path| whole.strip_suffix(path))
        .unwrap_or(whole);
    format!("{base}/v1/{signal}")
}

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of log lines.
    #[error("telemetry.log is no filter")]
    Filter(#[from] ParseError),
    /// An exporter.
    #[error("the exporter of traces or metrics cannot be made")]
    Exporter(#[from] ExporterBuildError),
    /// What shows the metrics.
    #[error("the metrics cannot be shown")]
    Metrics(#[source] OTelSdkError),
    /// Something else logs in this process.
    #[error("logging was started before")]
    Started(#[from] TryInitError),
}

/// The library of numbering plans tells its trace the numbers that it is given.
const SILENT: &str = "rlibphonenumber=off";

/// Logs, traces and reports of this process, from start to flush.
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    reports: Option<Arc<sentry::Client>>,
    metrics: Option<Arc<Metrics>>,
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry")
            .field("traces", &self.traces.is_some())
            .field("reports", &self.reports.is_some())
            .field("metrics", &self.metrics.is_some())
            .finish()
    }
}

impl Telemetry {
    /// Starts logging, and exporting where an endpoint is set. Once in a process.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn start(settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::builder().parse(format!("{},{SILENT}", settings.log))?;
        let lines = match settings.log_format {
            LogFormat::Json => JsonLines::new(io::stderr).boxed(),
            LogFormat::Text => tracing_subscriber::fmt::layer()
                .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
                .with_writer(io::stderr)
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
        })
    }

    /// Exports the last of these too, in the end.
    pub(crate) fn adopt(&mut self, metrics: Arc<Metrics>) {
        self.metrics = Some(metrics);
    }

    /// Sends what is not sent yet, all at the same time; gives up after a few seconds.
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
