//! `POST /auth/login/otp`

use actix_web::{HttpResponse, http::StatusCode};

use super::identifier_body::IdentifierBody;
use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{Context, JsonBody},
    state::State,
    to_the_end::to_the_end,
    v1::views::ChallengeView,
};

/// Request a sign-in code.
///
/// The answer doesn't reveal whether an account has the identifier.
#[utoipa::path(post, path = "/api/v1/auth/login/otp", operation_id = "log_in_otp", tag = "sign-in",
    request_body = IdentifierBody,
    responses((status = 202, description = "If an account has the identifier, a code is on its way.", body = Answer<ChallengeView>)))]
pub(crate) async fn log_in_otp(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<IdentifierBody>,
) -> Result<HttpResponse, Problem> {
    let identifier = body.into_identifier()?;
    let issued = to_the_end(async move {
        let challenges = &state.challenges;
        challenges.request_sign_in(&identifier, &context).await
    })
    .await?;
    Ok(answer::with_status(
        StatusCode::ACCEPTED,
        "If the account exists, we sent it a code",
        ChallengeView::from(issued),
    ))
}
