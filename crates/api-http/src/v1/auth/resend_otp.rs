//! `POST /auth/resend-otp`

use actix_web::{HttpResponse, http::StatusCode};
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{Context, JsonBody, opaque_token},
    state::State,
    to_the_end::to_the_end,
    v1::views::ChallengeView,
};

/// The challenge whose code is sent again.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "challenge_id": "5f0c1e9a7b3d4f2688aa01c2d3e4f506" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: String,
}

/// Resend a code.
///
/// The new code replaces the old one and doesn't reset the number of tries.
#[utoipa::path(post, path = "/api/v1/auth/resend-otp", operation_id = "resend_otp", tag = "registration",
    request_body = ResendBody,
    responses((status = 202, description = "A code is on its way, unless one was sent within the last minute.", body = Answer<ChallengeView>)))]
pub(crate) async fn resend_otp(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<ResendBody>,
) -> Result<HttpResponse, Problem> {
    let challenge =
        opaque_token("challenge_id", body.challenge_id).map_err(Problem::invalid_field)?;
    let issued =
        to_the_end(async move { state.challenges.resend(&challenge, &context).await }).await?;
    Ok(answer::with_status(
        StatusCode::ACCEPTED,
        "We sent you a code",
        ChallengeView::from(issued),
    ))
}
