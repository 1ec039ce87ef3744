//! `GET /me` and `PATCH /me`
#![expect(
    clippy::option_option,
    reason = "absent, null and a value are three things in a merge patch"
)]

use actix_web::HttpResponse;
use authentication_domain::profiles::{DisplayName, InvalidText, Profile, ProfileChange};
use garde::Validate;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{
    Authenticated, FieldError, Problem,
    answer::{self, Answer},
    ingress::{Context, JsonBody, Refusals},
    state::State,
    to_the_end::to_the_end,
    v1::views::UserView,
};

/// A merge patch (RFC 7396): absent fields stay as they are, null removes a value.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "display_name": "Ada", "language": null }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfilePatch {
    /// The name that others see.
    #[serde(default, deserialize_with = "named")]
    #[garde(inner(length(chars, max = DisplayName::MAX_LENGTH)))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 80)]
    display_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "named")]
    #[garde(inner(length(chars, max = DisplayName::MAX_LENGTH)))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 80)]
    first_name: Option<Option<String>>,
    #[serde(default, deserialize_with = "named")]
    #[garde(inner(length(chars, max = DisplayName::MAX_LENGTH)))]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 80)]
    last_name: Option<Option<String>>,
    /// ISO 3166-1 alpha-2.
    #[serde(default, deserialize_with = "named")]
    #[garde(inner(length(chars, max = 2)))]
    #[schema(value_type = Option<String>, pattern = "^[A-Za-z]{2}$")]
    country: Option<Option<String>>,
    /// BCP 47 language tag; the language of messages.
    #[serde(default, deserialize_with = "named")]
    #[garde(inner(length(chars, max = 35)))]
    #[schema(value_type = Option<String>, max_length = 35, pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]
    language: Option<Option<String>>,
}

/// Your account.
#[utoipa::path(get, path = "/api/v1/me", operation_id = "show_me", tag = "me",
    responses((status = 200, description = "The account.", body = Answer<UserView>)))]
pub(crate) async fn show(state: State, who: Authenticated) -> Result<HttpResponse, Problem> {
    let view = state.accounts.view(who.session())?;
    Ok(answer::ok("Your account", UserView::from(view)))
}

/// Change your profile.
#[utoipa::path(patch, path = "/api/v1/me", operation_id = "change_me", tag = "me",
    request_body = ProfilePatch,
    responses((status = 200, description = "The updated account.", body = Answer<UserView>)))]
pub(crate) async fn change(
    state: State,
    Context(context): Context,
    who: Authenticated,
    JsonBody(body): JsonBody<ProfilePatch>,
) -> Result<HttpResponse, Problem> {
    let change = body.into_change()?;
    let view = to_the_end(async move {
        let accounts = &state.accounts;
        accounts
            .update_profile(who.session(), &change, &context)
            .await
    })
    .await?;
    Ok(answer::ok("Profile updated", UserView::from(view)))
}

impl ProfilePatch {
    fn into_change(self) -> Result<ProfileChange, Problem> {
        let mut refusals = Refusals::default();
        let display_name = refusals.keep(parsed(
            "display_name",
            self.display_name,
            DisplayName::parse,
        ));
        let first_name = refusals.keep(parsed("first_name", self.first_name, DisplayName::parse));
        let last_name = refusals.keep(parsed("last_name", self.last_name, DisplayName::parse));
        let country = refusals.keep(parsed("country", self.country, Profile::parse_country));
        let language = refusals.keep(parsed("language", self.language, Profile::parse_language));
        match (display_name, first_name, last_name, country, language) {
            (
                Some(display_name),
                Some(first_name),
                Some(last_name),
                Some(country),
                Some(language),
            ) => Ok(ProfileChange {
                display_name,
                first_name,
                last_name,
                country,
                language,
            }),
            _ => Err(refusals.into()),
        }
    }
}

/// Deserializes a field that is present, including `null`.
fn named<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

fn parsed<T>(
    field: &'static str,
    typed: Option<Option<String>>,
    parse: fn(&str) -> Result<T, InvalidText>,
) -> Result<Option<Option<T>>, FieldError> {
    typed
        .map(|value| value.as_deref().map(parse).transpose())
        .transpose()
        .map_err(|invalid| FieldError::new(field, invalid.code(), invalid.to_string()))
}
