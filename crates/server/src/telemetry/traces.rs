//! Traces: OTLP over HTTP, with the blocking client on the exporter's own thread.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName};
use api_http::ports::TraceLink;
use opentelemetry::{
    TraceId,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanKind, TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    propagation::TraceContextPropagator,
    trace::{BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanProcessor, Tracer},
};
use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::{
    Layer,
    filter::{DynFilterFn, Filtered},
    layer::Context,
    registry::LookupSpan,
};
use url::Url;

use super::{PATIENCE, SERVICE, otlp_path, resource};
use crate::shutdown::EXPORTS_END;

/// Crates whose spans are exported. Spans of other crates might contain data that traces must not include.
const OURS: [&str; 6] = [
    "api_http",
    "authentication_app",
    "identity_adapters_postgres",
    "adapters_redis",
    "adapters_crypto",
    "server",
];

/// Crates whose spans may start a trace. Spans outside a trace, such as the query of an empty queue every second,
/// are not exported.
const BEGINNINGS: [&str; 2] = ["api_http", "server"];

pub(super) fn provider(endpoint: &Url) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(otlp_path(endpoint, "traces"))
        .with_timeout(PATIENCE)
        .build()?;
    Ok(SdkTracerProvider::builder()
        .with_span_processor(NamedByRoute(BatchSpanProcessor::builder(exporter).build()))
        .with_resource(resource())
        .build())
}

type Told<S> = Filtered<OpenTelemetryLayer<S, Tracer>, DynFilterFn<S, IsTold<S>>, S>;
type IsTold<S> = fn(&Metadata<'_>, &Context<'_, S>) -> bool;

pub(super) fn layer<S>(provider: &SdkTracerProvider) -> Told<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let is_told: IsTold<S> = is_told;
    OpenTelemetryLayer::new(provider.tracer(SERVICE))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(DynFilterFn::new(is_told).with_max_level_hint(LevelFilter::DEBUG))
}

fn is_told<S>(metadata: &Metadata<'_>, ctx: &Context<'_, S>) -> bool
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let is_of = |crates: &[&str]| {
        let own = metadata.target().split("::").next().unwrap_or_default();
        crates.contains(&own)
    };
    *metadata.level() <= LevelFilter::DEBUG
        && is_of(&OURS)
        && (is_of(&BEGINNINGS) || ctx.lookup_current().is_some())
}

/// Names the span of a request by its route. The route is known only after the span has started, and `tracing`
/// cannot rename a span.
#[derive(Debug)]
struct NamedByRoute(BatchSpanProcessor);

impl SpanProcessor for NamedByRoute {
    fn on_start(&self, span: &mut Span, ctx: &opentelemetry::Context) {
        self.0.on_start(span, ctx);
    }

    fn on_end(&self, mut span: SpanData) {
        let named = |name: &str| span.attributes.iter().find(|it| it.key.as_str() == name);
        if span.span_kind == SpanKind::Server
            && let (Some(method), Some(route)) = (named("http.method"), named("http.route"))
        {
            span.name = format!("{} {}", method.value.as_str(), route.value.as_str()).into();
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// W3C Trace Context.
pub(crate) struct TraceContext;

impl TraceLink for TraceContext {
    fn join(&self, span: &tracing::Span, headers: &HeaderMap) {
        let parent = TraceContextPropagator::new().extract(&Headers(headers));
        if parent.span().span_context().is_valid() {
            // Fails without a layer that exports the span; its parent is not needed then.
            let _ = span.set_parent(parent);
        }
        let context = span.context();
        let trace = context.span().span_context().trace_id();
        if trace != TraceId::INVALID {
            span.record("trace_id", tracing::field::display(trace));
        }
    }
}

struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Runs on a blocking thread, because the exporter's client blocks.
pub(super) async fn shut_down(provider: SdkTracerProvider) {
    let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(EXPORTS_END));
    match flushed.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the last traces may not have been exported"),
        Err(_) => tracing::warn!("the last traces were not exported"),
    }
}
