//! `POST /auth/mfa/otp`

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

/// A sign-in that is waiting for its second factor.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "challenge_id": "5f0c1e9a7b3d4f2688aa01c2d3e4f506" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct MfaOtpBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: String,
}

/// Send a code for the second factor.
///
/// Only if `methods` contains `otp`: never over the channel that was used for the first factor, and never for
/// staff. During the cool-down, no new message is sent.
#[utoipa::path(post, path = "/api/v1/auth/mfa/otp", operation_id = "mfa_otp", tag = "sign-in",
    request_body = MfaOtpBody,
    responses((status = 202, description = "A code is on its way.", body = Answer<ChallengeView>)))]
pub(crate) async fn mfa_otp(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<MfaOtpBody>,
) -> Result<HttpResponse, Problem> {
    let challenge =
        opaque_token("challenge_id", body.challenge_id).map_err(Problem::invalid_field)?;
    let issued = to_the_end(async move { state.mfa.send_code(&challenge, &context).await }).await?;
    let data = ChallengeView::from(issued);
    Ok(answer::with_status(
        StatusCode::ACCEPTED,
        "A code is on its way",
        data,
    ))
}
