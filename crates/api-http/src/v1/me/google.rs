//! `POST /me/google/options`, `POST /me/google` and `DELETE /me/google`

use actix_web::HttpResponse;
use authentication_app::federation::LinkIdentity;
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Nothing},
    ingress::{Context, JsonBody, RecentlyAuthenticated},
    state::State,
    to_the_end::to_the_end,
    v1::auth::google::{LONGEST_ID_TOKEN, NonceView, bounded, federation_of},
};

/// What Google gave the client.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.e30.c2ln" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkGoogleBody {
    /// With a nonce of `POST /me/google/options`.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 1, max_length = 8192)]
    id_token: SecretString,
}

/// Get a nonce for an ID token that is used in this session.
///
/// For `POST /me/google` and `POST /auth/reauthenticate`: it counts in this session alone, once, for ten minutes,
/// until a change of what opens the account, and signs nobody in. With an `X-Device-Token` it counts only with the
/// same one.
#[utoipa::path(post, path = "/api/v1/me/google/options", operation_id = "link_google_options", tag = "me",
    params(("X-Device-Token" = Option<String>, Header, description = "The `device_token` of an earlier sign-in.")),
    responses((status = 200, description = "A nonce.", body = Answer<NonceView>)))]
pub(crate) async fn options(
    state: State,
    who: Authenticated,
    Context(context): Context,
) -> Result<HttpResponse, Problem> {
    let federation = federation_of(&state)?;
    let nonce = to_the_end(async move {
        federation
            .issue_nonce_in_session(who.session(), &context)
            .await
    })
    .await?;
    Ok(answer::ok("Nonce issued", NonceView::of(&nonce)))
}

/// Let one's Google account open this account.
///
/// Needs a recent sign-in. The address at Google may be another one. The nonce must be one that was asked for in
/// this session. One that was issued with an `X-Device-Token` counts only with the same one.
#[utoipa::path(post, path = "/api/v1/me/google", operation_id = "link_google", tag = "me",
    params(("X-Device-Token" = Option<String>, Header, description = "The `device_token` of an earlier sign-in.")),
    request_body = LinkGoogleBody,
    responses((status = 200, description = "Linked.", body = Answer<Nothing>)))]
pub(crate) async fn link(
    state: State,
    Context(context): Context,
    who: RecentlyAuthenticated,
    JsonBody(body): JsonBody<LinkGoogleBody>,
) -> Result<HttpResponse, Problem> {
    let federation = federation_of(&state)?;
    let id_token =
        bounded("id_token", body.id_token, LONGEST_ID_TOKEN).map_err(Problem::invalid_field)?;
    let command = LinkIdentity { id_token };
    to_the_end(async move { federation.link(who.session(), &command, &context).await }).await?;
    Ok(answer::ok("Google linked", Nothing {}))
}

/// Unlink Google.
///
/// Needs a recent sign-in. All other sessions end. It stays (409 `last_way_in`) where there is neither a
/// password nor a passkey, and a code alone opens nothing: set a password first, by `POST /auth/password/reset`.
#[utoipa::path(delete, path = "/api/v1/me/google", operation_id = "unlink_google", tag = "me",
    responses((status = 200, description = "Unlinked.", body = Answer<Nothing>)))]
pub(crate) async fn unlink(
    state: State,
    Context(context): Context,
    who: RecentlyAuthenticated,
) -> Result<HttpResponse, Problem> {
    let federation = federation_of(&state)?;
    to_the_end(async move { federation.unlink(who.session(), &context).await }).await?;
    Ok(answer::ok("Google unlinked", Nothing {}))
}
