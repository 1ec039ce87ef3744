//! Checks between routing and a handler.
//!
//! In this order: the token, for signed-in routes; the limits by address and by account, before anything is parsed;
//! the names of query parameters. The deadline and the recovery from a panicking handler apply to all of them.

use std::panic::AssertUnwindSafe;

use actix_web::{
    Error, HttpMessage as _, HttpRequest,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
};
use futures_util::FutureExt as _;
use time::Duration;

use crate::{
    Problem, ProblemCode,
    ingress::{authenticate, authenticate_repeater, query, rate_limit},
    routes::{Access, Counted, Query, RouteSpec},
    state::state_of,
};

/// Serves one request to a route of the table.
pub(crate) async fn admit(
    spec: &'static RouteSpec,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let http = request.request().clone();
    http.extensions_mut().insert(spec);
    let mut response = match serve(spec, &http, request, next).await {
        Ok(response) => response,
        Err(refusal) => ServiceResponse::from_err(refusal, http.clone()),
    };
    let refused_for = too_many_for(&response);
    rate_limit::write_headers(&http, refused_for, response.headers_mut());
    Ok(response)
}

async fn serve(
    spec: &'static RouteSpec,
    http: &HttpRequest,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let deadline = state_of(http)?.config.request_deadline;
    let answer = async {
        check(spec, http).await?;
        next.call(request).await
    };
    // Safe to unwind: no state is observed afterwards except that behind the services' own locks.
    let answer = AssertUnwindSafe(answer).catch_unwind();
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Problem::of(ProblemCode::InternalError)
            .caused_by("a handler panicked")
            .into()),
        Err(_) => Err(Problem::of(ProblemCode::DeadlineExceeded)
            .retry_after(Duration::SECOND)
            .into()),
    }
}

async fn check(spec: &RouteSpec, http: &HttpRequest) -> Result<(), Problem> {
    if spec.access == Access::SignedIn {
        if spec.ends_its_token {
            authenticate_repeater(http).await?;
        } else {
            authenticate(http).await?;
        }
    } else if let Counted::By(class) = spec.counted {
        rate_limit::count(http, Some(class), None).await?;
    }
    if let Query::Only(known) = spec.query {
        query::check_names(http.query_string(), known)?;
    }
    Ok(())
}

/// The wait that a 429 requests, in seconds.
fn too_many_for(response: &ServiceResponse) -> Option<u32> {
    let error = response.response().error()?;
    let problem = error.as_error::<Problem>()?;
    (response.status() == StatusCode::TOO_MANY_REQUESTS)
        .then(|| problem.retry_after_seconds())
        .flatten()
}
