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

/// The token of the link in a notice, from its fragment.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "token": "5f0c1e9a7b3d4f2688aa01c2d3e4f506" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct NoticeTokenBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    token: String,
}

/// Say of a notice: this was not me.
///
/// Every session of the account ends, no device stays known, and the password counts no more until it is reset.
/// The link in a notice leads to a page of the site, which posts this after one confirming act: whoever only
/// follows links, as scanners of mail do, changes nothing.
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

/// Take a change of identifier back.
///
/// For the link that whoever had the identifier before got. The account has that identifier again, whatever it
/// was changed to since, and what `POST /auth/not-me` does is done as well.
#[utoipa::path(post, path = "/api/v1/auth/identifier/undo", operation_id = "undo_identifier_change", tag = "sign-in",
    request_body = NoticeTokenBody,
    responses((status = 200, description = "Taken back. The owner has to reset the password.", body = Answer<Nothing>)))]
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
