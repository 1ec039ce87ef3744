//! `POST /auth/mfa/webauthn/options` and `POST /auth/mfa/webauthn/verify`

use actix_web::HttpResponse;
use authentication_app::passkeys::PasskeySecondFactor;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{Context, JsonBody, Refusals, opaque_token},
    state::State,
    to_the_end::to_the_end,
    v1::{passkey_answers::AuthenticationCredentialBody, views::SignedInView},
};

/// A sign-in that is waiting for its second factor.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "challenge_id": "5f0c1e9a7b3d4f2688aa01c2d3e4f506" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactorOptionsBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: String,
}

/// Options for `navigator.credentials.get()`.
#[derive(Serialize, ToSchema)]
#[schema(as = SecondFactorOptions)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactorOptionsView {
    /// `PublicKeyCredentialRequestOptionsJSON`, for `PublicKeyCredential.parseRequestOptionsFromJSON()`.
    #[schema(value_type = Object)]
    public_key: Value,
}

/// The response of the device.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactorAnswerBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: String,
    #[garde(dive)]
    credential: AuthenticationCredentialBody,
    /// Whether this device skips the second factor for 30 days, if the role allows it.
    #[serde(default)]
    #[garde(skip)]
    remember_device: bool,
}

/// Get options for a passkey as the second factor.
///
/// The options list the passkeys of the account whose first factor was verified.
#[utoipa::path(post, path = "/api/v1/auth/mfa/webauthn/options", operation_id = "mfa_passkey_options", tag = "passkeys",
    request_body = SecondFactorOptionsBody,
    responses((status = 200, description = "The options.", body = Answer<SecondFactorOptionsView>)))]
pub(crate) async fn options(
    state: State,
    JsonBody(body): JsonBody<SecondFactorOptionsBody>,
) -> Result<HttpResponse, Problem> {
    let mut refusals = Refusals::default();
    let challenge = refusals.keep(opaque_token("challenge_id", body.challenge_id));
    let challenge = challenge.ok_or(refusals)?;
    let public_key =
        to_the_end(async move { state.passkeys.begin_second_factor(&challenge).await }).await?;
    let data = SecondFactorOptionsView { public_key };
    Ok(answer::ok("Use your passkey", data))
}

/// Complete a sign-in with a passkey.
///
/// The options are used up whether or not this succeeds; after a failure, the sign-in can be tried again with new
/// ones.
#[utoipa::path(post, path = "/api/v1/auth/mfa/webauthn/verify", operation_id = "mfa_verify_passkey", tag = "passkeys",
    request_body = SecondFactorAnswerBody,
    responses((status = 200, description = "Signed in.", body = Answer<SignedInView>)))]
pub(crate) async fn verify(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<SecondFactorAnswerBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    let signed_in =
        to_the_end(async move { state.passkeys.second_factor(&command, &context).await }).await?;
    Ok(answer::ok(
        "Login successful",
        SignedInView::from(signed_in),
    ))
}

impl SecondFactorAnswerBody {
    fn into_command(self) -> Result<PasskeySecondFactor, Problem> {
        let mut refusals = Refusals::default();
        let challenge = refusals.keep(opaque_token("challenge_id", self.challenge_id));
        let challenge = challenge.ok_or(refusals)?;
        Ok(PasskeySecondFactor {
            challenge,
            answer: self.credential.into_answer()?,
            remember_device: self.remember_device,
        })
    }
}
