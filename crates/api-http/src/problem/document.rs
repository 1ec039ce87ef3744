//! The problem document.

use common::RequestId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{FieldError, Problem, ProblemCode};

/// The media type of RFC 9457 §3, with a charset, as OWASP ASVS 4.1.1 requires.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json; charset=utf-8";

/// Why a request was refused (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProblemDocument {
    /// Identifies the kind of problem.
    #[serde(rename = "type")]
    #[schema(value_type = String, format = "uri", example = "urn:problem:fashionistar-auth:validation_failed")]
    type_uri: String,
    /// A short title for the kind of problem.
    #[schema(value_type = String, example = "Validation failed")]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 422)]
    status: u16,
    /// What happened and what to do next, for people.
    #[schema(value_type = String, example = "Some values aren't valid. Correct the fields listed in errors.")]
    detail: &'static str,
    /// Stable and machine-readable; use it to tell problems apart.
    #[schema(value_type = String, example = "validation_failed")]
    code: &'static str,
    /// The id of the request; give it to support.
    #[schema(example = "019a2b3c4d5e7f8091a2b3c4d5e6f708")]
    request_id: String,
    /// What's wrong with which field; empty if the problem isn't about fields.
    errors: Vec<FieldError>,
    /// Only for `reauthentication_required`: the missing proofs, as `POST /auth/reauthenticate` accepts them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["password", "id_token", "webauthn", "totp", "recovery_code"]))]
    methods: Vec<&'static str>,
}

impl ProblemDocument {
    pub(crate) fn new(problem: &Problem, request_id: &RequestId) -> Self {
        let errors = problem.errors().to_vec();
        Self {
            methods: problem.methods().to_vec(),
            ..Self::from_parts(problem.code(), errors, request_id.to_string())
        }
    }

    /// Also builds the examples of the `OpenAPI` document.
    pub(crate) fn from_parts(
        code: ProblemCode,
        errors: Vec<FieldError>,
        request_id: String,
    ) -> Self {
        let entry = code.entry();
        Self {
            type_uri: code.type_uri(),
            title: entry.title,
            status: entry.status.as_u16(),
            detail: entry.detail,
            code: entry.name,
            request_id,
            errors,
            methods: Vec::new(),
        }
    }
}
