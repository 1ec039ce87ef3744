//! Refusals: RFC 9457 problem documents with stable codes.
//!
//! A [`Problem`] contains what a client may see. Its cause, if there is one, is logged once, at the boundary
//! ([`crate::middleware`]); the text of a cause never reaches an answer.

mod catalogue;
mod document;
mod from_federation;
mod from_use_cases;

use std::{borrow::Cow, error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use authentication_app::protection::whole_seconds;
use serde::Serialize;
use time::Duration;
use utoipa::ToSchema;

pub use catalogue::ProblemCode;
pub(crate) use document::{MEDIA_TYPE, ProblemDocument};

/// What's wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldError {
    /// The body field, parameter or header; empty for the request as a whole.
    #[schema(value_type = String, example = "password")]
    pub field: Cow<'static, str>,
    /// Stable and machine-readable.
    #[schema(value_type = String, example = "password_too_short")]
    pub code: Cow<'static, str>,
    /// A message for people.
    #[schema(value_type = String, example = "use at least 8 characters")]
    pub message: Cow<'static, str>,
}

impl FieldError {
    /// A role that users cannot choose for themselves.
    pub(crate) fn role_not_offered() -> Self {
        Self::new("role", "role_not_offered", "use client or vendor")
    }

    /// `code` is stable, `message` is a phrase for people; neither repeats what the client sent.
    pub fn new(
        field: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            field: field.into(),
            code: code.into(),
            message: message.into(),
        }
    }
}

/// A refusal on its way to the client.
pub struct Problem {
    code: ProblemCode,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
    allow: Option<String>,
    methods: Vec<&'static str>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    /// With the texts of the catalogue.
    pub const fn of(code: ProblemCode) -> Self {
        Self {
            code,
            errors: Vec::new(),
            retry_after_seconds: None,
            allow: None,
            methods: Vec::new(),
            cause: None,
        }
    }

    /// A request that a parser refuses.
    pub fn malformed(error: FieldError) -> Self {
        Self {
            errors: vec![error],
            ..Self::of(ProblemCode::MalformedRequest)
        }
    }

    /// Values that break rules.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::of(ProblemCode::ValidationFailed)
        }
    }

    /// A single value that breaks a rule.
    pub fn invalid_field(error: FieldError) -> Self {
        Self::invalid(vec![error])
    }

    /// A passkey that belongs to no account. Refused like any invalid credential, but with its own code, so that a
    /// page can have the device remove it.
    pub(crate) fn unknown_passkey() -> Self {
        let error = FieldError::new(
            "credential.id",
            "unknown_passkey",
            "this passkey isn't registered with any account",
        );
        Self {
            errors: vec![error],
            ..Self::of(ProblemCode::InvalidCode)
        }
    }

    /// The resource does not have this method; `allow` lists those it has.
    pub(crate) fn method_not_allowed(allow: String) -> Self {
        Self {
            allow: Some(allow),
            ..Self::of(ProblemCode::MethodNotAllowed)
        }
    }

    /// Sets the time to wait before a retry; at least one second.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after_seconds = Some(whole_seconds(wait).max(1));
        self
    }

    /// Lists the proofs that would allow the request.
    #[must_use]
    pub(crate) fn with_methods(mut self, methods: Vec<&'static str>) -> Self {
        self.methods = methods;
        self
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The code of the refusal.
    pub const fn code(&self) -> ProblemCode {
        self.code
    }

    pub(crate) fn errors(&self) -> &[FieldError] {
        &self.errors
    }

    pub(crate) fn methods(&self) -> &[&'static str] {
        &self.methods
    }

    /// The time to wait before a retry. Every 503 has one, even if it was not set explicitly.
    pub(crate) fn retry_after_seconds(&self) -> Option<u32> {
        let is_503 = self.code.status() == StatusCode::SERVICE_UNAVAILABLE;
        self.retry_after_seconds.or(is_503.then_some(1))
    }

    /// The chain of causes, in one line.
    pub(crate) fn cause_chain(&self) -> Option<String> {
        let first: &(dyn Error + 'static) = self.cause.as_deref()?;
        let mut chain = first.to_string();
        let mut next = first.source();
        while let Some(cause) = next {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            next = cause.source();
        }
        Some(chain)
    }

    fn challenge(&self) -> Option<&'static str> {
        match self.code {
            ProblemCode::InvalidToken => {
                Some(r#"Bearer realm="fashionistar-auth", error="invalid_token""#)
            }
            code if code.status() == StatusCode::UNAUTHORIZED => {
                Some(r#"Bearer realm="fashionistar-auth""#)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({})", self.code.as_str())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.status()
    }

    /// Status and headers. The boundary writes the body, because it needs the request id.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(challenge) = self.challenge() {
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if let Some(seconds) = self.retry_after_seconds() {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        response.finish()
    }
}

#[cfg(test)]
mod tests;
