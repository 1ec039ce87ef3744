//! `POST /auth/verify-otp`

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::challenges::{Proven, VerifyCode};
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{Context, JsonBody, Refusals, one_time_code, opaque_token},
    state::State,
    to_the_end::to_the_end,
    v1::views::{self, SignInView, SignedInView},
};

/// A code and its challenge.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "challenge_id": "5f0c1e9a7b3d4f2688aa01c2d3e4f506", "code": "493817" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: String,
    /// Six digits, or twelve letters and digits. Spaces, hyphens and lower-case letters are accepted.
    #[garde(length(chars, min = 6, max = 36))]
    #[schema(
        max_length = 36,
        pattern = "^( *([0-9] *){6}|[ -]*([0-9A-TV-Za-tv-z][ -]*){12})$"
    )]
    code: String,
}

/// Verify a code.
///
/// Completes a registration or a passwordless sign-in.
#[utoipa::path(post, path = "/api/v1/auth/verify-otp", operation_id = "verify_otp", tag = "registration",
    params(("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    request_body = VerifyBody,
    responses(
        (status = 200, description = "Signed in, or a second factor is required.", body = Answer<SignInView>),
        (status = 201, description = "Account created, and signed in.", body = Answer<SignedInView>),
    ))]
pub(crate) async fn verify_otp(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<VerifyBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    let proven =
        to_the_end(async move { state.challenges.verify(&command, &context).await }).await?;
    Ok(match proven {
        Proven::Registered(signed_in) => answer::with_status(
            StatusCode::CREATED,
            "Registration complete",
            SignedInView::from(*signed_in),
        ),
        Proven::SignedIn(answer) => views::sign_in(StatusCode::OK, "Login successful", answer),
    })
}

impl VerifyBody {
    fn into_command(self) -> Result<VerifyCode, Problem> {
        let mut refusals = Refusals::default();
        let challenge = refusals.keep(opaque_token("challenge_id", self.challenge_id));
        let code = refusals.keep(one_time_code(&self.code));
        match (challenge, code) {
            (Some(challenge), Some(code)) => Ok(VerifyCode { challenge, code }),
            _ => Err(refusals.into()),
        }
    }
}
