//! `POST /auth/passkey/options` and `POST /auth/passkey/verify`

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::passkeys::PasskeySignIn;
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
    v1::{
        passkey_answers::AuthenticationCredentialBody,
        views::{self, SignInView},
    },
};

/// Options for `navigator.credentials.get()`.
#[derive(Serialize, ToSchema)]
#[schema(as = PasskeyOptions)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyOptionsView {
    /// Opaque; send it with the response.
    #[schema(example = "5f0c1e9a7b3d4f2688aa01c2d3e4f506")]
    challenge_id: String,
    /// `PublicKeyCredentialRequestOptionsJSON`, for `PublicKeyCredential.parseRequestOptionsFromJSON()`.
    #[schema(value_type = Object)]
    public_key: Value,
}

/// The response of the device.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyAnswerBody {
    #[garde(length(chars, max = 128))]
    #[schema(max_length = 128)]
    challenge_id: String,
    #[garde(dive)]
    credential: AuthenticationCredentialBody,
}

/// Get options for signing in with a passkey.
///
/// The options don't depend on the account: the device knows whose passkeys it has, and the service learns the
/// account from the response. Suitable for conditional UI. The response is accepted once, within five minutes.
#[utoipa::path(post, path = "/api/v1/auth/passkey/options", operation_id = "passkey_options", tag = "passkeys",
    responses((status = 200, description = "The options.", body = Answer<PasskeyOptionsView>)))]
pub(crate) async fn options(state: State) -> Result<HttpResponse, Problem> {
    let options = to_the_end(async move { state.passkeys.begin_sign_in().await }).await?;
    let data = PasskeyOptionsView {
        challenge_id: options.challenge_id,
        public_key: options.public_key,
    };
    Ok(answer::ok("Use your passkey", data))
}

/// Sign in with a passkey.
///
/// The challenge is used up whether or not this succeeds.
#[utoipa::path(post, path = "/api/v1/auth/passkey/verify", operation_id = "verify_passkey", tag = "passkeys",
    params(("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    request_body = PasskeyAnswerBody,
    responses((status = 200, description = "Signed in.", body = Answer<SignInView>)))]
pub(crate) async fn verify(
    state: State,
    Context(context): Context,
    JsonBody(body): JsonBody<PasskeyAnswerBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    let answer =
        to_the_end(async move { state.passkeys.sign_in(&command, &context).await }).await?;
    Ok(views::sign_in(StatusCode::OK, "Login successful", answer))
}

impl PasskeyAnswerBody {
    fn into_command(self) -> Result<PasskeySignIn, Problem> {
        let mut refusals = Refusals::default();
        let challenge = refusals.keep(opaque_token("challenge_id", self.challenge_id));
        let challenge = challenge.ok_or(refusals)?;
        Ok(PasskeySignIn {
            challenge,
            answer: self.credential.into_answer()?,
        })
    }
}
