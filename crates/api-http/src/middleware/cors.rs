//! CORS: which origins may call from a browser. Origins are compared exactly with those of the list.

use actix_cors::Cors;

use crate::ApiConfig;

const ONE_HOUR: usize = 3_600;

/// No credentials: tokens are sent in a header that browsers do not add on their own.
pub(crate) fn allowlist(config: &ApiConfig) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
        .allowed_headers([
            "authorization",
            "baggage",
            "content-type",
            "idempotency-key",
            "sentry-trace",
            "traceparent",
            "tracestate",
            "x-device-token",
            "x-request-id",
        ])
        .expose_headers([
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        ])
        .max_age(ONE_HOUR);
    config
        .cors_origins
        .iter()
        .fold(cors, |cors, origin| cors.allowed_origin(origin))
}
