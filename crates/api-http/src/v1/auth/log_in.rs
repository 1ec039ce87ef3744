//! `POST /auth/login`

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::sessions::LogIn;
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::Answer,
    ingress::{
        Context, JsonBody, Refusals, SubjectLimit, country_of, identifier_of, plain_password,
    },
    state::State,
    to_the_end::to_the_end,
    v1::views::{self, SignInView},
};

/// The password, and an identifier in exactly one of the three fields.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "identifier": "ada@example.com", "password": "correct horse battery staple" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct LogInBody {
    /// An email address, or a phone number in the same format as `phone`.
    #[garde(length(chars, max = 254))]
    #[schema(max_length = 254)]
    identifier: Option<String>,
    #[garde(length(chars, max = 254))]
    #[schema(max_length = 254, format = Email)]
    email: Option<String>,
    /// In international format (`+`, country code, number), or as dialled in `country`.
    #[garde(length(chars, max = 40))]
    #[schema(
        max_length = 40,
        pattern = r"^ *\+?[0-9 .()/-]{4,39}$",
        example = "+2348012345678"
    )]
    phone: Option<String>,
    /// ISO 3166-1 alpha-2. The country in which a number without `+` is dialled.
    #[garde(length(chars, max = 2))]
    #[schema(pattern = "^[A-Za-z]{2}$", example = "NG")]
    country: Option<String>,
    #[garde(skip)]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 256)]
    password: SecretString,
}

/// Sign in with a password.
///
/// Five failures within 15 minutes lock password sign-in for the identifier for 15 minutes, whether or not an
/// account has it. A device that sends its `X-Device-Token` is counted separately. A hundred consecutive failures
/// block password sign-in from unknown devices until the owner signs in or resets the password.
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "log_in", tag = "sign-in",
    params(("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    request_body = LogInBody,
    responses((status = 200, description = "Signed in, or a second factor is required.", body = Answer<SignInView>)))]
pub(crate) async fn log_in(
    state: State,
    Context(context): Context,
    limit: SubjectLimit,
    JsonBody(body): JsonBody<LogInBody>,
) -> Result<HttpResponse, Problem> {
    let mut command = body.into_command()?;
    let window = limit.count(&command.identifier, &context).await?;
    command.window.clone_from(&window);
    let answer = to_the_end(async move { state.sessions.log_in(&command, &context).await }).await;
    limit.note(window.as_deref())?;
    let answer = answer?;
    Ok(views::sign_in(StatusCode::OK, "Login successful", answer))
}

impl LogInBody {
    fn into_command(self) -> Result<LogIn, Problem> {
        let mut refusals = Refusals::default();
        let country = refusals.keep(country_of(self.country.as_deref()));
        let identifier = country.and_then(|country| {
            refusals.keep(identifier_of(
                self.identifier.as_deref(),
                self.email.as_deref(),
                self.phone.as_deref(),
                country,
            ))
        });
        let password = refusals.keep(plain_password("password", &self.password));
        match (identifier, password) {
            (Some(identifier), Some(password)) => Ok(LogIn {
                identifier,
                password,
                window: None,
            }),
            _ => Err(refusals.into()),
        }
    }
}
