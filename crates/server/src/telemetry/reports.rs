//! Reports errors and panics to Sentry, if a DSN is configured.
//!
//! A report is a log line at error level, so it contains no personal data either. It contains the request id, the
//! route template, the code of the problem and its causes; for a panic the location and the stack trace, and never
//! the panic's text, which may contain user input. It contains no user, address, header, body, query string or host
//! name: none of the Sentry integrations that would collect them is enabled, and sessions are not compiled in.

use std::{borrow::Cow, sync::Arc};

use secrecy::ExposeSecret as _;
use sentry::{
    Client, ClientOptions, Level,
    integrations::backtrace::current_stacktrace,
    protocol::{Event as Report, Exception},
    transports::DefaultTransportFactory,
};
use serde_json::Value;
use tracing::{
    Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, filter::filter_fn, layer::Context, registry::LookupSpan};

use super::{SERVICE, fields::Fields, log_panic::PANICKED};
use crate::{config::TelemetrySettings, shutdown::EXPORTS_END};

/// The fields that become tags, by which reports are searched and grouped.
const TAGS: [&str; 6] = [
    "request_id",
    "trace_id",
    "http.method",
    "http.route",
    "code",
    "worker",
];
/// Further fields of a report.
const EXTRA: [&str; 3] = ["cause", "place", "status"];
/// Crates whose lines are reported. Lines of other crates might contain data that reports must not include.
const OURS: [&str; 6] = [
    "adapters_",
    "api_http",
    "authentication_",
    "identity_",
    "migration",
    "server",
];

/// A client for the DSN, if there is one.
pub(super) fn client(settings: &TelemetrySettings) -> Option<Arc<Client>> {
    let dsn = settings.sentry_dsn.as_ref()?;
    let options = ClientOptions::new()
        .dsn(dsn.expose_secret())
        .release(concat!("fashionistar-auth@", env!("CARGO_PKG_VERSION")))
        .environment(settings.sentry_environment.clone())
        .sample_rate(settings.sentry_sample_rate)
        .default_integrations(false)
        .send_default_pii(false)
        .max_breadcrumbs(0)
        .transport(DefaultTransportFactory);
    Some(Arc::new(Client::with_options(options)))
}

/// Sends pending reports, on a blocking thread.
pub(super) async fn shut_down(client: Arc<Client>) {
    let done = tokio::task::spawn_blocking(move || client.close(Some(EXPORTS_END))).await;
    if !matches!(done, Ok(true)) {
        tracing::warn!("the last reports may not have been sent");
    }
}

/// Reports lines at error level.
pub(super) fn layer<S>(client: Arc<Client>) -> impl Layer<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    Reports { client }.with_filter(filter_fn(is_told))
}

fn is_told(metadata: &Metadata<'_>) -> bool {
    let is_ours = || {
        let target = metadata.target();
        OURS.iter().any(|ours| target.starts_with(ours))
    };
    if metadata.is_span() {
        metadata.name() == "request"
    } else {
        *metadata.level() == LevelFilter::ERROR && is_ours()
    }
}

struct Reports {
    client: Arc<Client>,
}

/// The fields of a request's span, separate from those that other layers store.
struct OfRequest(Fields);

impl<S> Layer<S> for Reports
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(OfRequest(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(OfRequest(fields)) = span.extensions_mut().get_mut()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(OfRequest(outer)) = span.extensions().get() {
                fields.add(outer);
            }
        }
        self.client
            .capture_event(report_of(event.metadata(), fields), None);
    }
}

fn report_of(metadata: &Metadata<'_>, mut fields: Fields) -> Report<'static> {
    let message = fields.take_text("message").unwrap_or_default();
    let mut report = Report {
        level: Level::Error,
        logger: Some(metadata.target().to_owned()),
        message: Some(message.clone()),
        ..Report::default()
    };
    for name in TAGS {
        if let Some(text) = fields.take_text(name) {
            report.tags.insert(name.to_owned(), text);
        }
    }
    for name in EXTRA {
        if let Some(text) = fields.take_text(name) {
            report.extra.insert(name.to_owned(), Value::from(text));
        }
    }
    let of = |name: &str| {
        let told = report.tags.get(name).cloned();
        told.or_else(|| report.extra.get(name)?.as_str().map(ToOwned::to_owned))
    };
    let group = [Some(message.clone()), of("code"), of("worker"), of("place")];
    report.fingerprint = group.into_iter().flatten().map(Cow::from).collect();
    report.transaction = of("http.route");
    report.server_name = None;
    if message == PANICKED {
        let exception = Exception {
            ty: "panic".to_owned(),
            value: of("place"),
            stacktrace: current_stacktrace(),
            ..Exception::default()
        };
        report.exception = vec![exception].into();
    }
    report.tags.insert("service".to_owned(), SERVICE.to_owned());
    report
}
