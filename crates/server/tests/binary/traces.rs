//! What a collector gets to see of a request, and what the log says of the same one.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use rustix::process::Signal;

use crate::{
    collector::{self, Export},
    process::Service,
};

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;
const CALLER: u64 = 0x00f0_67aa_0ba9_02b7;
const EMAIL: &str = "canary.person@example.com";
const PASSWORD: &str = "canary horse battery staple";

fn register(address: SocketAddr) -> String {
    let body = format!(r#"{{"email":"{EMAIL}","password":"{PASSWORD}"}}"#);
    let request = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nUser-Agent: canary-agent\r\n\
         X-Request-Id: request-of-the-test\r\ntraceparent: 00-{TRACE:032x}-{CALLER:016x}-01\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(address).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_is_one_trace_from_http_to_sql_with_nothing_personal_in_it() {
    let (collector, exports) = collector::start();
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("http://{collector}");
    let service = Service::start(
        folder.path(),
        &[
            ("TELEMETRY__OTLP_ENDPOINT", &endpoint),
            ("TELEMETRY__LOG", "debug"),
        ],
    );
    let answer = register(service.public);
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    service.signal(Signal::TERM);
    let (status, lines, _) = service.ended();
    assert_eq!(status.code(), Some(0));

    let exports: Vec<_> = exports
        .try_iter()
        .filter_map(|export| match export {
            Export::Traces(traces) => Some(traces),
            Export::Metrics(_) => None,
        })
        .collect();
    let resources = exports.iter().flat_map(|export| &export.resource_spans);
    let told = format!(
        "{:?}",
        resources.clone().map(|it| &it.resource).collect::<Vec<_>>()
    );
    assert!(
        told.contains("service.name") && told.contains("fashionistar-auth"),
        "{told}"
    );
    let spans: Vec<&Span> = resources
        .flat_map(|resource| &resource.scope_spans)
        .flat_map(|scope| &scope.spans)
        .collect();
    let of_request: Vec<&&Span> = spans
        .iter()
        .filter(|span| span.trace_id == TRACE.to_be_bytes())
        .collect();
    let names: Vec<&str> = of_request.iter().map(|span| span.name.as_str()).collect();

    let http = of_request
        .iter()
        .find(|span| span.kind() == SpanKind::Server);
    let http = http.unwrap_or_else(|| panic!("a span of HTTP: {names:?}"));
    assert_eq!(http.name, "POST /api/v1/auth/register");
    assert_eq!(http.parent_span_id, CALLER.to_be_bytes());
    let use_case = of_request.iter().find(|span| span.name == "register");
    let use_case = use_case.unwrap_or_else(|| panic!("a span of the use case: {names:?}"));
    let is_sql = |span: &&&&Span| {
        span.attributes
            .iter()
            .any(|it| it.key == "db.operation.name")
    };
    assert!(
        of_request.iter().filter(is_sql).count() >= 5,
        "spans of SQL: {names:?}"
    );
    for span in of_request.iter().filter(is_sql) {
        assert!(
            is_within(span, use_case, &of_request),
            "{} is outside: {names:?}",
            span.name
        );
    }
    // The worker's looks at an empty queue are nobody's business.
    assert_eq!(spans.len(), of_request.len(), "{spans:#?}");

    let trace = format!("{TRACE:032x}");
    let logged: Vec<_> = lines
        .iter()
        .filter(|line| line["trace_id"] == trace)
        .collect();
    assert!(!logged.is_empty(), "{lines:#?}");
    assert!(
        logged
            .iter()
            .all(|line| line["request_id"] == "request-of-the-test"),
        "{logged:#?}"
    );

    let everything = format!("{spans:?}{lines:?}");
    // Address, password and user agent have the bird in them.
    assert!(!everything.contains("canary"), "{everything}");
}

/// Whether one span is below another.
fn is_within(span: &Span, above: &Span, all: &[&&Span]) -> bool {
    span.parent_span_id == above.span_id
        || all
            .iter()
            .find(|parent| parent.span_id == span.parent_span_id)
            .is_some_and(|parent| is_within(parent, above, all))
}
