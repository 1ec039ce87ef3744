//! `POST /auth/register`

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::accounts::Register;
use authentication_domain::profiles::{DisplayName, InvalidText, Profile, country};
use common::access::Role;
use garde::Validate;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    FieldError, Problem,
    answer::{self, Answer},
    ingress::{Context, Refusals, RepeatableJson, identifier_of, plain_password},
    state::State,
    to_the_end::to_the_end,
    v1::views::ChallengeView,
};

/// A new account. Exactly one of `email`, `phone` and `identifier`.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "email": "ada@example.com", "password": "correct horse battery staple", "role": "client", "country": "NG" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterBody {
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
    /// Instead of `email` or `phone`.
    #[garde(length(chars, max = 254))]
    #[schema(max_length = 254)]
    identifier: Option<String>,
    /// Must be long enough, not common, not easy to guess, and not based on the identifier.
    #[garde(skip)]
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 256)]
    password: SecretString,
    /// `client` (buys; the default) or `vendor` (sells).
    #[garde(length(chars, max = 20))]
    #[schema(pattern = "^(client|vendor)$", example = "client")]
    role: Option<String>,
    /// The name that others see.
    #[garde(length(chars, max = DisplayName::MAX_LENGTH))]
    #[schema(min_length = 1, max_length = 80)]
    display_name: Option<String>,
    /// ISO 3166-1 alpha-2. Also the country in which a number without `+` is dialled.
    #[garde(length(chars, max = 2))]
    #[schema(pattern = "^[A-Za-z]{2}$", example = "NG")]
    country: Option<String>,
    /// BCP 47 language tag; the language of messages.
    #[garde(length(chars, max = 35))]
    #[schema(
        max_length = 35,
        pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        example = "en"
    )]
    language: Option<String>,
}

/// Register an account.
///
/// Sends a code to the address or number. The account is created once the code is verified. The answer doesn't
/// reveal whether the identifier is taken.
#[utoipa::path(post, path = "/api/v1/auth/register", operation_id = "register", tag = "registration",
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[ -~]{1,255}$",
        description = "The same key and body get the same answer for 24 hours.")),
    request_body = RegisterBody,
    responses((status = 202, description = "A code is on its way, unless one was sent within the last minute.", body = Answer<ChallengeView>)))]
pub(crate) async fn register(
    state: State,
    Context(context): Context,
    RepeatableJson(body, repeatable): RepeatableJson<RegisterBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    let issued = to_the_end(async move {
        let accounts = &state.accounts;
        accounts.register(command, repeatable, &context).await
    })
    .await?;
    Ok(answer::with_status(
        StatusCode::ACCEPTED,
        "We sent you a code",
        ChallengeView::from(issued),
    ))
}

impl RegisterBody {
    fn into_command(self) -> Result<Register, Problem> {
        let mut refusals = Refusals::default();
        // An unknown country is refused below.
        let dialled_in = self.country.as_deref().and_then(country::find);
        let identifier = refusals.keep(identifier_of(
            self.identifier.as_deref(),
            self.email.as_deref(),
            self.phone.as_deref(),
            dialled_in,
        ));
        let password = refusals.keep(plain_password("password", &self.password));
        let role = refusals.keep(role_of(self.role.as_deref()));
        let display_name = refusals.keep(optional(
            "display_name",
            self.display_name.as_deref(),
            DisplayName::parse,
        ));
        let country = refusals.keep(optional(
            "country",
            self.country.as_deref(),
            Profile::parse_country,
        ));
        let language = refusals.keep(optional(
            "language",
            self.language.as_deref(),
            Profile::parse_language,
        ));
        match (identifier, password, role, display_name, country, language) {
            (
                Some(identifier),
                Some(password),
                Some(role),
                Some(display_name),
                Some(country),
                Some(language),
            ) => Ok(Register {
                identifier,
                password,
                role: role.unwrap_or(Role::Client),
                profile: Profile {
                    display_name,
                    country,
                    language,
                    ..Profile::default()
                },
            }),
            _ => Err(refusals.into()),
        }
    }
}

/// The requested role, if any. The use case decides whether it may be registered.
pub(super) fn role_of(name: Option<&str>) -> Result<Option<Role>, FieldError> {
    let parsed = name.map(str::parse).transpose();
    parsed.map_err(|_| FieldError::role_not_offered())
}

fn optional<T>(
    field: &'static str,
    typed: Option<&str>,
    parse: fn(&str) -> Result<T, InvalidText>,
) -> Result<Option<T>, FieldError> {
    typed
        .map(parse)
        .transpose()
        .map_err(|invalid| FieldError::new(field, invalid.code(), invalid.to_string()))
}
