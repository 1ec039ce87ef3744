//! The refusals and headers that follow from a route's row in the table.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::openapi::{
    Content, ContentBuilder, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response,
    ResponseBuilder, Schema, Type,
};

use crate::{
    ProblemCode,
    problem::ProblemDocument,
    routes::{Access, Counted, Presence, Query, RouteSpec},
};

const PROBLEM_JSON: &str = "application/problem+json";

/// All refusals of a route, by status.
pub(super) fn by_status(spec: &RouteSpec, takes_body: bool) -> BTreeMap<String, Vec<ProblemCode>> {
    let mut by_status: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for code in all(spec, takes_body) {
        let status = code.status().as_str().to_owned();
        by_status.entry(status).or_default().push(code);
    }
    by_status
}

fn all(spec: &RouteSpec, takes_body: bool) -> Vec<ProblemCode> {
    use ProblemCode as P;
    let mut codes = spec.refuses.to_vec();
    if takes_body {
        codes.extend([
            P::MalformedRequest,
            P::PayloadTooLarge,
            P::UnsupportedMediaType,
            P::ValidationFailed,
        ]);
    } else if let Query::Only(names) = spec.query {
        codes.push(P::MalformedRequest);
        if !names.is_empty() {
            codes.push(P::ValidationFailed);
        }
    }
    if spec.access == Access::SignedIn {
        codes.extend([P::Unauthenticated, P::InvalidToken]);
    }
    if is_counted(spec) {
        codes.push(P::RateLimited);
    }
    codes.push(P::InternalError);
    if spec.presence == Presence::Public {
        codes.push(P::Unavailable);
    }
    codes.push(P::DeadlineExceeded);
    codes
}

const fn is_counted(spec: &RouteSpec) -> bool {
    matches!(spec.counted, Counted::By(_))
}

/// The name of a response. Routes with the same refusals share one.
pub(super) fn name(codes: &[ProblemCode], spec: &RouteSpec) -> String {
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let uncounted = if is_counted(spec) { "" } else { ".uncounted" };
    format!("{}{uncounted}", names.join("."))
}

/// The response for refusals of one status.
pub(super) fn response(codes: &[ProblemCode], spec: &RouteSpec) -> Response {
    let lines: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.as_str(), code.entry().detail))
        .collect();
    let mut response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(PROBLEM_JSON, content(codes))
        .build();
    add_headers(&mut response, spec, codes);
    response
}

fn content(codes: &[ProblemCode]) -> Content {
    let schema = RefOr::<Schema>::Ref(Ref::from_schema_name("Problem"));
    let example = codes.first().map(|code| {
        let request_id = "019a2b3c4d5e7f8091a2b3c4d5e6f708".to_owned();
        json!(ProblemDocument::from_parts(*code, Vec::new(), request_id))
    });
    ContentBuilder::new()
        .schema(Some(schema))
        .example(example)
        .build()
}

/// Adds references to the headers of a response.
pub(super) fn add_headers(response: &mut Response, spec: &RouteSpec, codes: &[ProblemCode]) {
    let status = codes.first().map(|code| code.status().as_u16());
    let present = [
        ("X-Request-Id", true),
        ("RateLimit-Policy", is_counted(spec)),
        ("RateLimit", is_counted(spec)),
        ("Retry-After", matches!(status, Some(429 | 503))),
        ("WWW-Authenticate", status == Some(401)),
    ];
    for (name, _) in present.into_iter().filter(|(_, present)| *present) {
        let header = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert(name.to_owned(), RefOr::Ref(header));
    }
}

/// The response headers, by name.
pub(super) fn headers() -> BTreeMap<String, RefOr<Header>> {
    [
        (
            "X-Request-Id",
            Type::String,
            "The id of the request: the one that was sent, or a new one.",
        ),
        (
            "RateLimit-Policy",
            Type::String,
            "The quota: `\"address\";q=60;w=60` means 60 calls in 60 seconds. Absent if nothing was counted.",
        ),
        (
            "RateLimit",
            Type::String,
            "What is left of the quota: `\"address\";r=59;t=30` means 59 calls left, and the full quota again in 30 seconds.",
        ),
        (
            "Retry-After",
            Type::Integer,
            "Seconds to wait before trying again.",
        ),
        (
            "WWW-Authenticate",
            Type::String,
            "`Bearer`, with an error if an access token was refused (RFC 6750).",
        ),
    ]
    .into_iter()
    .map(|(name, kind, description)| {
        let header = HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(kind)))
            .description(Some(description))
            .build();
        (name.to_owned(), RefOr::T(header))
    })
    .collect()
}
