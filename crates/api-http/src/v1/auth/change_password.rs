//! `POST /auth/password/change`

use actix_web::HttpResponse;
use authentication_app::credentials::ChangePassword;
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{Context, Refusals, RepeatableJson, Repeater, plain_password},
    state::State,
    to_the_end::to_the_end,
    v1::views::TokensView,
};

/// The current password and the new one.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "current_password": "correct horse battery staple", "new_password": "purple monkey dishwasher 7" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangePasswordBody {
    #[garde(skip)]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 256)]
    current_password: SecretString,
    #[garde(skip)]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    new_password: SecretString,
}

/// The session's new tokens. The previous ones are no longer valid.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChangedView {
    tokens: TokensView,
}

/// Change the password.
///
/// All other sessions end. The current one continues with the tokens in the answer; its previous access and
/// refresh tokens are no longer valid.
#[utoipa::path(post, path = "/api/v1/auth/password/change", operation_id = "change_password", tag = "passwords",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[ -~]{1,255}$",
        description = "The same key and body get the same answer for 24 hours, even with the previous access token.")),
    request_body = ChangePasswordBody,
    responses((status = 200, description = "Changed.", body = Answer<PasswordChangedView>)))]
pub(crate) async fn change_password(
    state: State,
    Context(context): Context,
    who: Repeater,
    RepeatableJson(body, request): RepeatableJson<ChangePasswordBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    let repeatable = who.repeatable(request);
    let tokens = to_the_end(async move {
        let credentials = &state.credentials;
        credentials
            .change_password(who.session(), &command, repeatable, &context)
            .await
    })
    .await?;
    let data = PasswordChangedView {
        tokens: tokens.into(),
    };
    Ok(answer::ok("Password changed", data))
}

impl ChangePasswordBody {
    fn into_command(self) -> Result<ChangePassword, Problem> {
        let mut refusals = Refusals::default();
        let current = refusals.keep(plain_password("current_password", &self.current_password));
        let new = refusals.keep(plain_password("new_password", &self.new_password));
        match (current, new) {
            (Some(current), Some(new)) => Ok(ChangePassword { current, new }),
            _ => Err(refusals.into()),
        }
    }
}
