//! What the service tells of itself: log lines on standard error, and traces to a collector.
//!
//! Both follow one request by its ids: every line of a request carries its `request_id` and, when traces
//! are exported, its `trace_id`. What may be in a line or a span is decided where it is written; nothing
//! personal is.

mod json_lines;
mod traces;

use std::{io, panic};

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::ParseError,
    layer::SubscriberExt as _,
    util::{SubscriberInitExt as _, TryInitError},
};

use crate::config::{LogFormat, TelemetrySettings};

use json_lines::JsonLines;
pub(crate) use traces::TraceContext;

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter of log lines.
    #[error("telemetry.log is no filter")]
    Filter(#[from] ParseError),
    /// The exporter of traces.
    #[error("the exporter of traces cannot be made")]
    Exporter(#[from] ExporterBuildError),
    /// Something else logs in this process.
    #[error("logging was started before")]
    Started(#[from] TryInitError),
}

/// Logs and traces of this process, from start to flush.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logging, and exporting where an endpoint is set. Once in a process.
    ///
    /// # Errors
    /// [`TelemetryError`].
    pub fn start(settings: &TelemetrySettings) -> Result<Self, TelemetryError> {
        let filter = EnvFilter::builder().parse(&settings.log)?;
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
        Registry::default()
            .with(lines.with_filter(filter))
            .with(traces.as_ref().map(traces::layer))
            .try_init()?;
        panic::set_hook(Box::new(log_panic));
        Ok(Self { traces })
    }

    /// Sends what is not sent yet; gives up after a few seconds.
    pub async fn flush(self) {
        if let Some(provider) = self.traces {
            traces::shut_down(provider).await;
        }
    }
}

/// Where, not what: the text of a panic may repeat what somebody typed.
fn log_panic(panicked: &panic::PanicHookInfo<'_>) {
    let place = panicked.location().map(ToString::to_string);
    tracing::error!(place, "a task panicked");
}
