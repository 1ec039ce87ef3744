//! `POST /auth/mfa/verify`

use actix_web::HttpResponse;
use authentication_app::mfa::VerifySecondFactor;
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{CodeMethod, Context, JsonBody, Refusals, opaque_token, second_proof},
    state::State,
    to_the_end::to_the_end,
    v1::views::SignedInView,
};

/// A code for the second factor, and the sign-in that it completes.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "challenge_id": "5f0c1e9a7b3d4f2688aa01c2d3e4f506", "method": "totp", "code": "493817", "remember_device": true }))]
#[serde(deny_unknown_fields)]
pub(crate) struct MfaVerifyBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: String,
    #[garde(skip)]
    method: CodeMethod,
    /// Six digits, a long code, or a recovery code as shown.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 6, max_length = 64)]
    code: SecretString,
    /// Whether this device skips the second factor for 30 days. Has no effect for staff.
    #[garde(skip)]
    #[serde(default)]
    remember_device: bool,
}

/// Complete a sign-in with a code.
#[utoipa::path(post, path = "/api/v1/auth/mfa/verify", operation_id = "mfa_verify", tag = "sign-in",
    request_body = MfaVerifyBody,
    responses((status = 200, description = "Signed in.", body = Answer<SignedInView>)))]
pub(crate) async fn mfa_verify(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<MfaVerifyBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    let signed_in = to_the_end(async move { state.mfa.verify(&command, &context).await }).await?;
    Ok(answer::ok(
        "Login successful",
        SignedInView::from(signed_in),
    ))
}

impl MfaVerifyBody {
    fn into_command(self) -> Result<VerifySecondFactor, Problem> {
        let mut refusals = Refusals::default();
        let challenge = refusals.keep(opaque_token("challenge_id", self.challenge_id));
        let proof = refusals.keep(second_proof(self.method, self.code));
        match (challenge, proof) {
            (Some(challenge), Some(proof)) => Ok(VerifySecondFactor {
                challenge,
                proof,
                remember_device: self.remember_device,
            }),
            _ => Err(refusals.into()),
        }
    }
}
