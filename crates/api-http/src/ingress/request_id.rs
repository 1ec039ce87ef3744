//! The request id: the client's if it is well-formed, otherwise a new one.

use actix_web::{HttpMessage as _, HttpRequest, http::header::HeaderMap};
use common::RequestId;

use crate::{Problem, ProblemCode, state::ApiState};

/// The name of the request and response header.
pub(crate) const HEADER: &str = "x-request-id";

/// The client's request id, or a new one.
pub(crate) fn take_or_mint(headers: &HeaderMap, state: &ApiState) -> RequestId {
    headers
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .and_then(RequestId::parse)
        .unwrap_or_else(|| state.mint_request_id())
}

/// The id that the boundary assigned to the request.
pub(crate) fn request_id_of(request: &HttpRequest) -> Result<RequestId, Problem> {
    request
        .extensions()
        .get::<RequestId>()
        .cloned()
        .ok_or_else(|| Problem::of(ProblemCode::InternalError))
}
