//! Log lines in JSON, one object per line.
//!
//! ```json
//! {"timestamp":"2026-11-22T14:43:05.123456Z","level":"INFO","target":"api_http::…","message":"refused",
//!  "code":"invalid_token","http.route":"/api/v1/me","request_id":"…","trace_id":"…"}
//! ```
//!
//! The fields of the event are members of the object. Of its spans, only the fields that identify the request are
//! included.

use std::io::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::{
        MakeWriter,
        format::Writer,
        time::{FormatTime as _, SystemTime},
    },
    layer::Context,
    registry::LookupSpan,
};

use super::fields::Fields;

/// The span fields that every line within the span includes.
const OF_THE_REQUEST: [&str; 5] = [
    "request_id",
    "trace_id",
    "http.method",
    "http.route",
    "status",
];

/// Writes events as JSON lines.
pub(super) struct JsonLines<W> {
    writer: W,
}

impl<W> JsonLines<W> {
    pub(super) const fn new(writer: W) -> Self {
        Self { writer }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    target: &'a str,
    message: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        fields.retain(&OF_THE_REQUEST);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
            fields.retain(&OF_THE_REQUEST);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.add(outer);
            }
        }
        // A record of the `log` crate carries its target and source location in fields.
        let of_log = fields.take_text("log.target");
        fields.0.retain(|name, _| !name.starts_with("log."));
        let mut timestamp = String::new();
        let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
        let line = Line {
            timestamp,
            level: event.metadata().level().as_str(),
            target: of_log.as_deref().unwrap_or(event.metadata().target()),
            message: fields.take_text("message").unwrap_or_default(),
            fields: fields.0,
        };
        // Written in one call, so that lines of several threads do not mix. A failed write cannot be reported
        // anywhere.
        if let Ok(mut bytes) = serde_json::to_vec(&line) {
            bytes.push(b'\n');
            let _ = self
                .writer
                .make_writer_for(event.metadata())
                .write_all(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field;
    use tracing_subscriber::{Registry, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn lines_of(work: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = Registry::default().with(JsonLines::new(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_has_the_fields_of_its_event_and_the_ids_of_its_request() {
        let lines = lines_of(|| {
            let request = tracing::info_span!(
                "request",
                request_id = "r-1",
                trace_id = field::Empty,
                secret = 1
            );
            request.record("trace_id", "t-1");
            let _request = request.entered();
            let _inner = tracing::info_span!("use case", secret_of_a_span = "x").entered();
            tracing::warn!(status = 503, slow = true, part = %"store", "a thing {}", "happened");
        });
        let [line] = lines.as_slice() else {
            panic!("one line: {lines:?}");
        };
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], module_path!());
        assert_eq!(line["message"], "a thing happened");
        assert_eq!(line["request_id"], "r-1");
        assert_eq!(line["trace_id"], "t-1");
        assert_eq!(line["status"], 503);
        assert_eq!(line["slow"], true);
        assert_eq!(line["part"], "store");
        assert!(line.get("secret").is_none() && line.get("secret_of_a_span").is_none());
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(
            timestamp.contains('T') && timestamp.ends_with('Z'),
            "{timestamp}"
        );
    }

    #[test]
    fn whatever_is_logged_stays_one_line_and_cannot_pass_for_the_rest() {
        let lines = lines_of(|| {
            tracing::error!(
                level = "INFO",
                target = "other",
                text = "a\r\nb\"}\u{1b}[31m",
                "one"
            );
            tracing::info!("two");
        });
        assert_eq!(lines.len(), 2);
        let line = lines.first().unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["field.level"], "INFO");
        assert_eq!(line["text"], "a\r\nb\"}\u{1b}[31m");
        assert!(lines.last().unwrap().get("request_id").is_none());
    }
}
