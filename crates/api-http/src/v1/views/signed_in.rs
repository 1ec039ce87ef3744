//! The answer of a complete sign-in. The only place where tokens leave the service.

use authentication_app::sessions::{SignedIn, TokenSet};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use super::UserView;

/// A completed sign-in.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignedInView {
    status: SignInStatus,
    user: UserView,
    tokens: TokensView,
    /// Store it, and send it as `X-Device-Token` with later sign-ins, so that the service recognizes the device.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, example = "fa_dt_v1.019a2b3c4d5e7f8091a2b3c4d5e6f708.c2ln")]
    device_token: SecretString,
}

/// The state of a sign-in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SignInStatus {
    /// It is complete.
    Authenticated,
}

/// The tokens of a session.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokensView {
    /// A JWT (RFC 9068), for the `Authorization` header.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, example = "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln")]
    access_token: SecretString,
    /// Always `Bearer`.
    #[schema(value_type = String, example = "Bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 600)]
    expires_in: u32,
    /// Use it once, to get the next tokens.
    #[serde(serialize_with = "exposed")]
    #[schema(value_type = String, example = "fa_rt_v1.k1.019a2b3c4d5e7f8091a2b3c4d5e6f708.0.c2ln")]
    refresh_token: SecretString,
    /// Seconds until the refresh token expires if it isn't used.
    #[schema(example = 1_209_600)]
    refresh_expires_in: u32,
    session_id: Uuid,
}

impl From<SignedIn> for SignedInView {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            status: SignInStatus::Authenticated,
            user: signed_in.account.into(),
            tokens: signed_in.tokens.into(),
            device_token: signed_in.device_token,
        }
    }
}

impl From<TokenSet> for TokensView {
    fn from(tokens: TokenSet) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: "Bearer",
            expires_in: tokens.expires_in_seconds,
            refresh_token: tokens.refresh_token,
            refresh_expires_in: tokens.refresh_expires_in_seconds,
            session_id: tokens.session.as_uuid(),
        }
    }
}

/// Serializes a token in plain text, for its new holder.
pub(crate) fn exposed<S: Serializer>(token: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(token.expose_secret())
}
