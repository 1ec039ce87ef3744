//! `POST /auth/not-me` and `POST /auth/identifier/undo`

use actix_web::HttpResponse;
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer, Nothing},
    ingress::{Context, JsonBody, opaque_token},
    state::State,
    to_the_end::to_the_end,
};

/// The token from the fragment of the link in a notice.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "token": "5f0c1e9a7b3d4f2688aa01c2d3e4f506" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct NoticeTokenBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    token: String,
}

/// Report activity that wasn't you.
///
/// Ends every session of the account, forgets its devices and blocks the password until it is reset. The link in
/// a notice leads to a page of the site, which sends this request after the person confirms. Only following the
/// link, as mail scanners do, changes nothing.
#[utoipa::path(post, path = "/api/v1/auth/not-me", operation_id = "not_me", tag = "sign-in",
    request_body = NoticeTokenBody,
    responses((status = 200, description = "Done. The owner has to reset the password.", body = Answer<Nothing>)))]
pub(crate) async fn not_me(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<NoticeTokenBody>,
) -> Result<HttpResponse, Problem> {
    let token = opaque_token("token", body.token).map_err(Problem::invalid_field)?;
    to_the_end(async move { state.accounts.not_me(&token, &context).await }).await?;
    Ok(answer::ok(
        "All devices have been signed out. Reset your password before you sign in with it again",
        Nothing {},
    ))
}

/// Undo a change of identifier.
///
/// Takes the token from the link that was sent to the previous identifier. The account gets that identifier back,
/// even if it has been changed again since, and everything that `POST /auth/not-me` does is done as well.
#[utoipa::path(post, path = "/api/v1/auth/identifier/undo", operation_id = "undo_identifier_change", tag = "sign-in",
    request_body = NoticeTokenBody,
    responses((status = 200, description = "Undone. The owner has to reset the password.", body = Answer<Nothing>)))]
pub(crate) async fn undo_identifier_change(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<NoticeTokenBody>,
) -> Result<HttpResponse, Problem> {
    let token = opaque_token("token", body.token).map_err(Problem::invalid_field)?;
    to_the_end(async move {
        let accounts = &state.accounts;
        accounts.undo_identifier_change(&token, &context).await
    })
    .await?;
    Ok(answer::ok(
        "The change has been undone, and all devices have been signed out. Reset your password before you sign in with it again",
        Nothing {},
    ))
}
