//! `POST /auth/password/reset` and `POST /auth/password/reset/confirm`

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::credentials::{CompleteReset, ResetProof};
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::identifier_body::IdentifierBody;
use crate::{
    FieldError, Problem,
    answer::{self, Answer, Nothing},
    ingress::{Context, JsonBody, Refusals, one_time_code, opaque_token, plain_password},
    state::State,
    to_the_end::to_the_end,
    v1::views::ChallengeView,
};

/// The new password, and either `challenge_id` with `code`, or `token`.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "challenge_id": "5f0c1e9a7b3d4f2688aa01c2d3e4f506", "code": "493817", "new_password": "purple monkey dishwasher 7" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmResetBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: Option<String>,
    /// Six digits, or twelve letters and digits. Spaces, hyphens and lower-case letters are accepted.
    #[garde(length(chars, min = 6, max = 36))]
    #[schema(
        max_length = 36,
        pattern = "^( *([0-9] *){6}|[ -]*([0-9A-TV-Za-tv-z][ -]*){12})$"
    )]
    code: Option<String>,
    /// The token from the link in the mail.
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    token: Option<String>,
    #[garde(skip)]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    new_password: SecretString,
}

/// Request a password reset.
///
/// The answer doesn't reveal whether an account has the identifier.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", operation_id = "request_password_reset", tag = "passwords",
    request_body = IdentifierBody,
    responses((status = 202, description = "If an account has the identifier, a code is on its way.", body = Answer<ChallengeView>)))]
pub(crate) async fn request_reset(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<IdentifierBody>,
) -> Result<HttpResponse, Problem> {
    let identifier = body.into_identifier()?;
    let issued = to_the_end(async move {
        let challenges = &state.challenges;
        challenges
            .request_password_reset(&identifier, &context)
            .await
    })
    .await?;
    Ok(answer::with_status(
        StatusCode::ACCEPTED,
        "If the account exists, we sent it a code",
        ChallengeView::from(issued),
    ))
}

/// Set a new password.
///
/// Ends every session of the account and doesn't sign in. If the password is rejected, the code stays valid.
#[utoipa::path(post, path = "/api/v1/auth/password/reset/confirm", operation_id = "confirm_password_reset", tag = "passwords",
    params(("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    request_body = ConfirmResetBody,
    responses((status = 200, description = "The password is set.", body = Answer<Nothing>)))]
pub(crate) async fn confirm_reset(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<ConfirmResetBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    to_the_end(async move { state.credentials.complete_reset(&command, &context).await }).await?;
    Ok(answer::ok("Password set", Nothing {}))
}

impl ConfirmResetBody {
    fn into_command(self) -> Result<CompleteReset, Problem> {
        let mut refusals = Refusals::default();
        let proof = proof_of(self.challenge_id, self.code, self.token, &mut refusals);
        let new_password = refusals.keep(plain_password("new_password", &self.new_password));
        match (proof, new_password) {
            (Some(proof), Some(new_password)) => Ok(CompleteReset {
                proof,
                new_password,
            }),
            _ => Err(refusals.into()),
        }
    }
}

fn proof_of(
    challenge: Option<String>,
    code: Option<String>,
    token: Option<String>,
    refusals: &mut Refusals,
) -> Option<ResetProof> {
    match (challenge, code, token) {
        (Some(challenge), Some(code), None) => {
            let challenge = refusals.keep(opaque_token("challenge_id", challenge));
            let code = refusals.keep(one_time_code(&code));
            challenge
                .zip(code)
                .map(|(challenge, code)| ResetProof::Code { challenge, code })
        }
        (None, None, Some(token)) => refusals
            .keep(opaque_token("token", token))
            .map(ResetProof::Link),
        _ => refusals.keep(Err(FieldError::new(
            "code",
            "exactly_one_required",
            "send either challenge_id and code, or token",
        ))),
    }
}
