//! Internals, exposed for `benches/` only.

use common::RequestId;

use crate::{FieldError, Problem, ingress, problem::ProblemDocument, v1::auth::log_in::LogInBody};

/// Parses a sign-in from the bytes of a body, and validates its fields.
pub fn parses_as_a_sign_in(body: &[u8]) -> bool {
    ingress::parse::<LogInBody>(body).is_ok()
}

/// The bytes of a refusal, as a problem document.
pub fn a_refusal() -> Vec<u8> {
    let error = FieldError::new("password", "password_too_short", "a longer one is needed");
    let request_id = RequestId::from_uuid(uuid::Uuid::nil());
    let document = ProblemDocument::new(&Problem::invalid_field(error), &request_id);
    serde_json::to_vec(&document).unwrap_or_default()
}
