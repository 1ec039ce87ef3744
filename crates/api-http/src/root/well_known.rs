//! Keys and metadata for services that verify access tokens on their own.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Problem, ProblemCode, answer, rendered::Rendered, state::State};

/// How long clients may cache the key set. A new key is published for longer than that before it signs anything.
pub const KEY_SET_MAX_AGE: Duration = Duration::from_mins(5);
const KEEP_FIVE_MINUTES: &str = "public, max-age=300";

/// A JWK Set (RFC 7517 §5).
#[derive(ToSchema)]
pub(crate) struct KeySet {
    /// The public keys. The `kid` of a token names its key.
    #[expect(dead_code, reason = "describes what the token signer publishes")]
    keys: Vec<serde_json::Value>,
}

/// Metadata (`OpenID` Connect Discovery 1.0 §3, RFC 8414), as far as it applies to this service.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metadata {
    /// The `iss` of access tokens.
    #[schema(format = "uri")]
    issuer: String,
    /// The address of the public keys.
    #[schema(format = "uri")]
    jwks_uri: String,
    /// None: this service has no authorization endpoint.
    #[schema(value_type = Vec<String>)]
    response_types_supported: [&'static str; 0],
    /// `public`: a person has the same `sub` for every client.
    #[schema(value_type = Vec<String>)]
    subject_types_supported: [&'static str; 1],
    /// The signature algorithms of tokens.
    #[schema(value_type = Vec<String>)]
    id_token_signing_alg_values_supported: Vec<&'static str>,
    /// The claims in access tokens (RFC 9068).
    #[schema(value_type = Vec<String>)]
    claims_supported: [&'static str; 13],
}

/// Public keys that verify access tokens: current, next and previous.
///
/// Can be cached for five minutes. Use `ETag` and `If-None-Match` to check whether it has changed.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "json_web_keys", tag = "operation",
    responses(
        (status = 200, description = "A JWK Set.", body = KeySet),
        (status = 304, description = "Not changed."),
    ))]
pub(crate) async fn keys(state: State, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let set = Rendered::of(&state.signer.public_keys())
        .map_err(|error| Problem::of(ProblemCode::InternalError).caused_by(error))?;
    Ok(set.answer(&request, KEEP_FIVE_MINUTES))
}

/// Metadata for verifying access tokens.
#[utoipa::path(get, path = "/.well-known/openid-configuration", operation_id = "openid_configuration", tag = "operation",
    responses((status = 200, description = "The metadata.", body = Metadata)))]
pub(crate) async fn metadata(state: State) -> HttpResponse {
    may_be_kept(answer::bare(
        StatusCode::OK,
        &Metadata {
            issuer: state.signer.issuer().to_owned(),
            jwks_uri: format!("{}/.well-known/jwks.json", state.config.public_url),
            response_types_supported: [],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: state.signer.algorithms(),
            claims_supported: [
                "iss",
                "aud",
                "sub",
                "client_id",
                "iat",
                "nbf",
                "exp",
                "jti",
                "sid",
                "roles",
                "amr",
                "acr",
                "auth_time",
            ],
        },
    ))
}

/// The origins that may use passkeys of this domain (W3C Web Authentication Level 3 §5.11.1).
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelatedOrigins {
    /// The origins, as browsers send them.
    #[schema(example = json!(["https://fashionistar.example"]))]
    origins: Vec<String>,
}

/// Origins that may use passkeys of this domain.
///
/// Browsers request this from the passkey domain. If that domain is on another host than this service, that host
/// must forward the request here.
#[utoipa::path(get, path = "/.well-known/webauthn", operation_id = "related_origins", tag = "operation",
    responses((status = 200, description = "The origins.", body = RelatedOrigins)))]
pub(crate) async fn related_origins(state: State) -> HttpResponse {
    let origins = state.passkeys.pages().to_vec();
    may_be_kept(answer::bare(StatusCode::OK, &RelatedOrigins { origins }))
}

fn may_be_kept(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static(KEEP_FIVE_MINUTES),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A next key must not sign before every client has it. It waits for `KEY_SET_MAX_AGE`, so the header must
    /// state the same time.
    #[test]
    fn what_is_told_to_others_is_what_a_next_key_waits_for() {
        let seconds = KEY_SET_MAX_AGE.as_secs();
        assert_eq!(KEEP_FIVE_MINUTES, format!("public, max-age={seconds}"));
    }
}
