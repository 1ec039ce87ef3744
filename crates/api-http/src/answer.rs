//! Answers: the envelope of the API, and documents without it.

use actix_web::{HttpResponse, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Problem, ProblemCode};

/// JSON with a charset, as OWASP ASVS 4.1.1 requires.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// The result, as a message and as data.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer<T> {
    /// A message for people.
    #[schema(value_type = String)]
    message: &'static str,
    data: T,
}

impl<T> Answer<T> {
    pub(crate) const fn new(message: &'static str, data: T) -> Self {
        Self { message, data }
    }
}

/// An empty object.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A whole list, or one page of it.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
    /// The cursor for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) next_cursor: Option<String>,
}

/// 200 with the envelope.
pub(crate) fn ok(message: &'static str, data: impl Serialize) -> HttpResponse {
    with_status(StatusCode::OK, message, data)
}

/// The envelope with another status.
pub(crate) fn with_status(
    status: StatusCode,
    message: &'static str,
    data: impl Serialize,
) -> HttpResponse {
    bare(status, &Answer::new(message, data))
}

/// A document without the envelope.
pub(crate) fn bare(status: StatusCode, document: &impl Serialize) -> HttpResponse {
    match serde_json::to_vec(document) {
        Ok(body) => HttpResponse::build(status).content_type(JSON).body(body),
        Err(error) => {
            HttpResponse::from_error(Problem::of(ProblemCode::InternalError).caused_by(error))
        }
    }
}
