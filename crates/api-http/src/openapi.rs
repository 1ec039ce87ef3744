//! The `OpenAPI` document: what the handlers say of themselves, completed from the table of routes and the
//! catalogue of problems.
//!
//! A handler describes its body and its success. Which refusals it can answer with follows from its row
//! in the table, so that none is forgotten.

use std::collections::BTreeMap;

use serde_json::json;
use utoipa::{
    OpenApi as _,
    openapi::{
        Content, ContentBuilder, Header, HeaderBuilder, ObjectBuilder, OpenApi, PathItem, Ref,
        RefOr, Response, ResponseBuilder, Type,
        path::{Operation, Parameter, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use crate::{
    FieldError, ProblemCode,
    problem::ProblemDocument,
    root,
    routes::{self, Access, Counted, Method, Presence, Query, RouteSpec},
    v1,
};

const BEARER: &str = "bearer";
const PROBLEM_JSON: &str = "application/problem+json";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "fashionistar-auth",
        version = "1.0.0",
        description = "Identity, authentication and authorization of Fashionistar.\n\n\
            Success is `{\"message\", \"data\"}`; a refusal is a problem document (RFC 9457), whose `code` is stable. \
            Every answer carries `X-Request-Id`; send one of your own to find it again in the logs. \
            Calls are counted by address and by account: see `RateLimit` and `RateLimit-Policy`.",
    ),
    servers((url = "/", description = "This service")),
    tags(
        (name = "registration", description = "From an address or a number to an account."),
        (name = "sign-in", description = "Sessions and their tokens."),
        (name = "passwords", description = "Changing a password, and setting one anew."),
        (name = "me", description = "One's own account."),
        (name = "forms", description = "What forms offer."),
        (name = "operation", description = "For gateways, orchestrators and load balancers."),
        (name = "development", description = "Absent in production."),
    ),
    paths(
        v1::auth::register::register,
        v1::auth::verify_otp::verify_otp,
        v1::auth::resend_otp::resend_otp,
        v1::auth::log_in::log_in,
        v1::auth::log_in_otp::log_in_otp,
        v1::auth::refresh::refresh,
        v1::auth::reset_password::request_reset,
        v1::auth::reset_password::confirm_reset,
        v1::auth::change_password::change_password,
        v1::auth::log_out::log_out,
        v1::auth::log_out::log_out_everywhere,
        v1::me::profile::show,
        v1::me::profile::change,
        v1::me::sessions::list,
        v1::me::sessions::end,
        v1::me::sessions::end_others,
        v1::countries::list,
        root::well_known::keys,
        root::well_known::metadata,
        root::health::live,
        root::health::ready,
        root::mailbox::list,
    ),
    components(schemas(ProblemDocument, FieldError)),
)]
struct Document;

/// The document of this version of the API.
pub fn openapi() -> OpenApi {
    let mut document = Document::openapi();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(
        BEARER.to_owned(),
        RefOr::T(SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .description(Some("The `access_token` of a sign-in."))
                .build(),
        )),
    );
    components.headers.extend(headers());
    for spec in routes::all() {
        let item = document.paths.paths.get_mut(spec.path);
        if let Some(operation) = item.and_then(|item| operation_of(item, spec)) {
            complete(operation, spec);
        }
    }
    document
}

/// The document as text, ending in a line break: what `docs/openapi.json` holds.
pub fn openapi_json() -> String {
    let mut text = openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

fn operation_of<'a>(item: &'a mut PathItem, spec: &RouteSpec) -> Option<&'a mut Operation> {
    match spec.method {
        Method::Get => item.get.as_mut(),
        Method::Post => item.post.as_mut(),
        Method::Patch => item.patch.as_mut(),
        Method::Delete => item.delete.as_mut(),
    }
}

fn complete(operation: &mut Operation, spec: &RouteSpec) {
    if spec.access == Access::SignedIn {
        let bearer = SecurityRequirement::new(BEARER, [""; 0]);
        operation.security = Some(vec![bearer]);
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            add_headers(response, spec, &[]);
        }
    }
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in refusals_of(operation, spec) {
        by_status
            .entry(code.status().as_u16())
            .or_default()
            .push(code);
    }
    for (status, codes) in by_status {
        let mut refusal = problem_response(&codes);
        add_headers(&mut refusal, spec, &codes);
        let responses = &mut operation.responses.responses;
        // `/health/ready` says 503 in words of its own.
        if let Some(RefOr::T(said)) = responses.get_mut(&status.to_string()) {
            said.content.extend(refusal.content);
            said.headers.extend(refusal.headers);
        } else {
            responses.insert(status.to_string(), RefOr::T(refusal));
        }
    }
}

/// Everything that a route can answer with beside success.
fn refusals_of(operation: &Operation, spec: &RouteSpec) -> Vec<ProblemCode> {
    use ProblemCode as P;
    let mut codes = spec.refuses.to_vec();
    let has_header_key = has_parameter(operation, &ParameterIn::Header, "Idempotency-Key");
    if operation.request_body.is_some() {
        codes.extend([
            P::MalformedRequest,
            P::PayloadTooLarge,
            P::UnsupportedMediaType,
            P::ValidationFailed,
        ]);
    } else if let Query::Only(names) = spec.query {
        codes.push(P::MalformedRequest);
        if !names.is_empty() || has_header_key {
            codes.push(P::ValidationFailed);
        }
    }
    if spec.access == Access::SignedIn {
        codes.extend([P::Unauthenticated, P::InvalidToken]);
    }
    if let Counted::By(_) = spec.counted {
        codes.push(P::RateLimited);
    }
    codes.push(P::InternalError);
    if spec.presence == Presence::Public {
        codes.push(P::Unavailable);
    }
    codes.push(P::DeadlineExceeded);
    codes
}

fn has_parameter(operation: &Operation, place: &ParameterIn, name: &str) -> bool {
    let named = |it: &RefOr<Parameter>| match it {
        RefOr::T(parameter) => parameter.name == name && parameter.parameter_in == *place,
        RefOr::Ref(_) => false,
    };
    operation.parameters.iter().flatten().any(named)
}

fn problem_response(codes: &[ProblemCode]) -> Response {
    let lines: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.as_str(), code.entry().detail))
        .collect();
    ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(PROBLEM_JSON, problem_content(codes))
        .build()
}

fn problem_content(codes: &[ProblemCode]) -> Content {
    let schema = RefOr::<utoipa::openapi::Schema>::Ref(Ref::from_schema_name("Problem"));
    let example = codes.first().map(|code| {
        let request_id = "019a2b3c4d5e7f8091a2b3c4d5e6f708".to_owned();
        json!(ProblemDocument::from_parts(*code, Vec::new(), request_id))
    });
    ContentBuilder::new()
        .schema(Some(schema))
        .example(example)
        .build()
}

fn add_headers(response: &mut Response, spec: &RouteSpec, codes: &[ProblemCode]) {
    let status = codes.first().map(|code| code.status().as_u16());
    let counted = matches!(spec.counted, Counted::By(_));
    let present = [
        ("X-Request-Id", true),
        ("RateLimit-Policy", counted),
        ("RateLimit", counted),
        ("Retry-After", matches!(status, Some(429 | 503))),
        ("WWW-Authenticate", status == Some(401)),
    ];
    for (name, _) in present.into_iter().filter(|(_, present)| *present) {
        let header = Ref::new(format!("#/components/headers/{name}"));
        response.headers.insert(name.to_owned(), RefOr::Ref(header));
    }
}

/// The headers of answers, by name.
fn headers() -> BTreeMap<String, RefOr<Header>> {
    [
        (
            "X-Request-Id",
            Type::String,
            "The id of the request, as sent or as made.",
        ),
        (
            "RateLimit-Policy",
            Type::String,
            "What is allowed: `\"address\";q=60;w=60` is 60 calls in 60 seconds. Absent when nothing was counted.",
        ),
        (
            "RateLimit",
            Type::String,
            "Where this call left it: `\"address\";r=59;t=30` is 59 calls left, all again in 30 seconds.",
        ),
        (
            "Retry-After",
            Type::Integer,
            "Seconds to wait before trying again.",
        ),
        (
            "WWW-Authenticate",
            Type::String,
            "`Bearer`, with an error where an access token was refused (RFC 6750).",
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

#[cfg(test)]
#[path = "openapi_tests.rs"]
mod tests;
