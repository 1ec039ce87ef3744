//! `POST /auth/password/change`

use actix_web::HttpResponse;
use authentication_app::credentials::ChangePassword;
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Nothing},
    ingress::{Context, JsonBody, Refusals, plain_password},
    state::State,
    to_the_end::to_the_end,
};

/// The old password, and the new one.
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

/// Change the password.
///
/// All other sessions end.
#[utoipa::path(post, path = "/api/v1/auth/password/change", operation_id = "change_password", tag = "passwords",
    request_body = ChangePasswordBody,
    responses((status = 200, description = "Changed.", body = Answer<Nothing>)))]
pub(crate) async fn change_password(
    state: State,
    Context(context): Context,
    who: Authenticated,
    JsonBody(body): JsonBody<ChangePasswordBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    to_the_end(async move {
        let credentials = &state.credentials;
        credentials
            .change_password(who.session(), &command, &context)
            .await
    })
    .await?;
    Ok(answer::ok("Password changed", Nothing {}))
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
