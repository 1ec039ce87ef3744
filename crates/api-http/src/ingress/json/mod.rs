//! JSON bodies.
//!
//! A body is `application/json` in UTF-8, uncompressed, one object with nothing after it, of limited size. It has
//! no duplicate and no unknown fields, and none of a wrong type. serde's messages quote the input, so a refusal
//! contains only its kind and the name of a known field.

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
};
use futures_util::{StreamExt as _, future::LocalBoxFuture};
use garde::Validate;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{FieldError, Problem, ProblemCode, state::state_of};

/// Extracts a body that matches its schema and satisfies its rules.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T> FromRequest for JsonBody<T>
where
    T: DeserializeOwned + Validate<Context = ()> + 'static,
{
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload);
        Box::pin(async move { parse(&body.await?).map(Self) })
    }
}

/// Reads the raw body, after its headers were checked.
pub(super) fn read(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Vec<u8>, Problem>> + use<> {
    let most = state_of(request).map(|state| state.config.max_body_bytes);
    let announced = most.and_then(|most| check_headers(request.headers(), most).map(|()| most));
    let mut payload = payload.take();
    async move {
        let most = announced?;
        let mut body = Vec::new();
        while let Some(chunk) = payload.next().await {
            let chunk =
                chunk.map_err(|_| malformed("", "incomplete_body", "the body is incomplete"))?;
            if body.len() + chunk.len() > most {
                return Err(Problem::of(ProblemCode::PayloadTooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn check_headers(headers: &HeaderMap, most: usize) -> Result<(), Problem> {
    let plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(is_json);
    if !plain || !json {
        return Err(Problem::of(ProblemCode::UnsupportedMediaType));
    }
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(Problem::of(ProblemCode::PayloadTooLarge));
    }
    Ok(())
}

/// Whether the type is `application/json` without a charset other than UTF-8. The type has no parameters (RFC 8259
/// §11), so parameters that some clients send are ignored; an empty one is allowed (RFC 9110 §5.6.6).
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    media_type.eq_ignore_ascii_case("application/json") && parts.all(is_harmless)
}

fn is_harmless(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return parameter.is_empty();
    };
    let value = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    let is_utf_8 = || value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8");
    !name.eq_ignore_ascii_case("charset") || is_utf_8()
}

/// Parses bytes into a value that satisfies its rules.
pub(crate) fn parse<T>(body: &[u8]) -> Result<T, Problem>
where
    T: DeserializeOwned + Validate<Context = ()>,
{
    let value: T = read_object(body)?;
    value.validate().map_err(|report| broken_rules(&report))?;
    Ok(value)
}

fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| malformed("", "invalid_utf8", "the body isn't valid UTF-8"))?;
    // serde would accept an array for a struct, field by field.
    let begins = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if begins.is_empty() {
        return Err(malformed("", "empty_body", "send a JSON object"));
    }
    if !begins.starts_with('{') {
        return Err(malformed("", "invalid_json", "send a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| refusal(&error))?;
    json.end()
        .map_err(|_| malformed("", "invalid_json", "remove what follows the JSON object"))?;
    Ok(value)
}

fn refusal(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    if error.inner().classify() != Category::Data {
        return malformed("", "invalid_json", "the body isn't valid JSON");
    }
    let message = error.inner().to_string();
    // serde has no error kinds, only messages; the tests below check that these stay the same.
    let quoted = || field_name(message.split('`').nth(1).unwrap_or_default());
    if message.starts_with("unknown field") {
        malformed(quoted(), "unknown_field", "this field doesn't exist")
    } else if message.starts_with("duplicate field") {
        malformed(
            quoted(),
            "duplicate_field",
            "this field appears more than once",
        )
    } else if message.starts_with("missing field") {
        malformed(quoted(), "missing_field", "this field is required")
    } else {
        let field = field_name(&error.path().to_string());
        malformed(field, "wrong_type", "the value has the wrong type")
    }
}

/// The name of a field; empty if it exceeds 64 bytes or has other characters than letters, digits and `_`.
fn field_name(name: &str) -> String {
    let sane = name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if sane { name.to_owned() } else { String::new() }
}

fn broken_rules(report: &garde::Report) -> Problem {
    let errors = report
        .iter()
        .map(|(path, error)| {
            let message = error.message();
            let code = if message.starts_with("length is greater") {
                "too_long"
            } else if message.starts_with("length is lower") {
                "too_short"
            } else {
                "invalid"
            };
            FieldError::new(path.to_string(), code, message.to_owned())
        })
        .collect();
    Problem::invalid(errors)
}

fn malformed(
    field: impl Into<std::borrow::Cow<'static, str>>,
    code: &'static str,
    message: &'static str,
) -> Problem {
    Problem::malformed(FieldError::new(field, code, message))
}

#[cfg(test)]
mod tests;
