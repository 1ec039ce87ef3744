//! The outermost layer: it prepares every request, and completes every answer.
//!
//! It adds a request id, a span and security headers. Every refusal, regardless of its origin, becomes one problem
//! document and one log line. Client errors are logged at info, server errors at error with their causes; a success
//! is a span, and a line at debug level.

use actix_web::{
    Error, HttpMessage as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use common::RequestId;
use tracing::{Instrument as _, Span, field};

use super::{metering::Metering, security_headers, trailing_slash};
use crate::{
    Problem, ProblemCode, answer,
    ingress::take_or_mint,
    problem::{MEDIA_TYPE, ProblemDocument},
    state::{ApiState, State, state_of},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The listener that received a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// The listener for clients.
    Public,
    /// The listener for operators. Its requests are not measured, because probes and scrapes are not client
    /// traffic.
    Management,
}

/// Serves one request, regardless of its result.
pub(crate) async fn enter(
    listener: Listener,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = State::clone(state_of(request.request())?);
    let metering = (listener == Listener::Public).then(|| Metering::begin(&state.meter));
    let request_id = take_or_mint(request.headers(), &state);
    let span = root_span(&request, &request_id, &state);
    request.extensions_mut().insert(request_id.clone());
    request.extensions_mut().insert(listener);
    trailing_slash::trim(&mut request);
    let answered = next.call(request).instrument(span.clone()).await?;
    if let Some(metering) = metering {
        metering.end(&answered);
    }
    Ok(span.in_scope(|| leave(answered, &request_id, &span)))
}

/// The span of a request. It names the route by its template once that is known; paths and query strings are never
/// logged.
fn root_span(request: &ServiceRequest, request_id: &RequestId, state: &ApiState) -> Span {
    let span = tracing::info_span!(
        "request",
        request_id = request_id.as_str(),
        http.method = method_name(request.method()),
        http.route = field::Empty,
        status = field::Empty,
        trace_id = field::Empty,
        otel.kind = "server",
        otel.name = field::Empty,
        otel.status_code = field::Empty,
    );
    if let Some(link) = &state.trace_link {
        link.join(&span, request.headers());
    }
    span
}

/// The name of a standard method. All others share `_OTHER`, because a client can invent methods of any length.
fn method_name(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => method.as_str(),
        _ => "_OTHER",
    }
}

fn leave(
    answered: ServiceResponse<impl MessageBody + 'static>,
    request_id: &RequestId,
    span: &Span,
) -> ServiceResponse<BoxBody> {
    record(&answered, span);
    let mut response = with_problem_document(answered.map_into_boxed_body(), request_id);
    let headers = response.headers_mut();
    security_headers::write(headers);
    if let Ok(value) = HeaderValue::try_from(request_id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

fn record(answered: &ServiceResponse<impl MessageBody>, span: &Span) {
    let status = answered.status();
    let pattern = answered.request().match_pattern();
    let route = pattern.as_deref().unwrap_or("unmatched");
    let method = method_name(answered.request().method());
    span.record("http.route", route);
    span.record("status", status.as_u16());
    span.record("otel.name", format_args!("{method} {route}"));
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// Adds the body of a refusal. Refusals of actix and of its middleware (such as a CORS preflight that is not
/// allowed) have no [`Problem`], and get the one for their status.
fn with_problem_document(
    response: ServiceResponse<BoxBody>,
    request_id: &RequestId,
) -> ServiceResponse<BoxBody> {
    let status = response.status();
    let error = response.response().error();
    let problem = match error.and_then(Error::as_error::<Problem>) {
        Some(problem) => {
            log(problem);
            document(problem, request_id)
        }
        None if is_refusal(status) && !is_our_own_json(response.headers()) => {
            let problem = Problem::of(ProblemCode::of_status(status));
            log(&problem);
            document(&problem, request_id)
        }
        None => {
            tracing::debug!("answered");
            return response;
        }
    };
    let mut response = response.map_body(|_, _| BoxBody::new(problem));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    response
}

fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Whether the body is the service's own JSON: `/health/ready` answers 503 with its own document.
fn is_our_own_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == answer::JSON)
}

fn document(problem: &Problem, request_id: &RequestId) -> Vec<u8> {
    // The document has strings and numbers only, so it always serializes.
    serde_json::to_vec(&ProblemDocument::new(problem, request_id)).unwrap_or_default()
}

fn log(problem: &Problem) {
    let code = problem.code().as_str();
    let cause = problem.cause_chain();
    let cause = cause.as_deref();
    match problem.code() {
        // Load, slow clients, and an outage of the store, which its monitor logs once. A single one is not an error
        // of the service; many are worth an alert.
        ProblemCode::Overloaded | ProblemCode::DeadlineExceeded | ProblemCode::Unavailable => {
            tracing::warn!(code, cause, "refused");
        }
        code_of_ours if code_of_ours.status().is_server_error() => {
            tracing::error!(code, cause, "failed");
        }
        _ => tracing::info!(code, "refused"),
    }
}
