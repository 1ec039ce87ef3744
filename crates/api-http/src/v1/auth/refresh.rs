//! `POST /auth/token/refresh`

use actix_web::HttpResponse;
use garde::Validate;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{Context, JsonBody},
    state::State,
    to_the_end::to_the_end,
    v1::views::TokensView,
};

/// A refresh token.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "refresh_token": "fa_rt_v1.k1.019a2b3c4d5e7f8091a2b3c4d5e6f708.0.c2ln" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct RefreshBody {
    #[garde(skip)]
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// New tokens.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refreshed {
    tokens: TokensView,
}

/// Refresh the tokens.
///
/// Each refresh token can be used once. Repeating the call within ten seconds returns the same new tokens, and so
/// it does later, a few times, for a client that sends the session's `X-Device-Token`. Otherwise, a token that
/// has already been replaced ends its session, since a copy of it may be in use.
#[utoipa::path(post, path = "/api/v1/auth/token/refresh", operation_id = "refresh_tokens", tag = "sign-in",
    params(("X-Device-Token" = Option<String>, Header, description = "The `device_token` from the sign-in that started the session.")),
    request_body = RefreshBody,
    responses((status = 200, description = "New tokens.", body = Answer<Refreshed>)))]
pub(crate) async fn refresh(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<RefreshBody>,
) -> Result<HttpResponse, Problem> {
    let tokens = to_the_end(async move {
        let token = body.refresh_token.expose_secret();
        state.sessions.refresh(token, &context).await
    })
    .await?;
    let data = Refreshed {
        tokens: tokens.into(),
    };
    Ok(answer::ok("Tokens refreshed", data))
}
