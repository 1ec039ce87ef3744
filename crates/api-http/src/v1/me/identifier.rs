//! `POST /me/identifier` and `POST /me/identifier/confirm`

use actix_web::{HttpResponse, http::StatusCode};
use authentication_app::accounts::ConfirmIdentifier;
use authentication_domain::accounts::Identifier;
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    answer::{self, Answer},
    ingress::{
        Context, JsonBody, RecentlyAuthenticated, Refusals, country_of, identifier_of,
        one_time_code, opaque_token,
    },
    state::State,
    to_the_end::to_the_end,
    v1::views::{ChallengeView, UserView},
};

/// Exactly one of `email` and `phone`.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "email": "ada@example.org" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeIdentifierBody {
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
    /// ISO 3166-1 alpha-2. The country in which a number without `+` is dialled; by default, the profile's.
    #[garde(length(chars, max = 2))]
    #[schema(pattern = "^[A-Za-z]{2}$", example = "NG")]
    country: Option<String>,
}

/// The code sent to the new identifier, and its challenge.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "challenge_id": "5f0c1e9a7b3d4f2688aa01c2d3e4f506", "code": "493817" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmIdentifierBody {
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(pattern = "^[!-~]{1,128}$")]
    challenge_id: String,
    /// Six digits, or twelve letters and digits. Spaces, hyphens and lower-case letters are accepted.
    #[garde(length(chars, min = 6, max = 36))]
    #[schema(
        max_length = 36,
        pattern = "^( *([0-9] *){6}|[ -]*([0-9A-TV-Za-tv-z][ -]*){12})$"
    )]
    code: String,
}

/// Request a change of identifier.
///
/// Sends a code to the new identifier. The answer doesn't reveal whether it is taken. Requires a recent sign-in.
#[utoipa::path(post, path = "/api/v1/me/identifier", operation_id = "change_my_identifier", tag = "me",
    request_body = ChangeIdentifierBody,
    responses((status = 202, description = "A code is on its way, unless one was sent within the last minute.", body = Answer<ChallengeView>)))]
pub(crate) async fn change(
    state: State,
    Context(context): Context,
    who: RecentlyAuthenticated,
    JsonBody(body): JsonBody<ChangeIdentifierBody>,
) -> Result<HttpResponse, Problem> {
    let profile = state.accounts.view(who.session())?.profile;
    let identifier = body.into_identifier(profile.country.as_deref())?;
    let issued = to_the_end(async move {
        let accounts = &state.accounts;
        accounts
            .request_identifier_change(who.session(), &identifier, &context)
            .await
    })
    .await?;
    Ok(answer::with_status(
        StatusCode::ACCEPTED,
        "We sent you a code",
        ChallengeView::from(issued),
    ))
}

/// Confirm the new identifier.
///
/// The account now has the new identifier, and its other sessions end. A notice goes to the previous identifier,
/// from which the change can be undone for 72 hours. Until then, no other account can use the previous
/// identifier.
#[utoipa::path(post, path = "/api/v1/me/identifier/confirm", operation_id = "confirm_my_identifier", tag = "me",
    request_body = ConfirmIdentifierBody,
    responses((status = 200, description = "The updated account.", body = Answer<UserView>)))]
pub(crate) async fn confirm(
    state: State,
    Context(context): Context,
    who: RecentlyAuthenticated,
    JsonBody(body): JsonBody<ConfirmIdentifierBody>,
) -> Result<HttpResponse, Problem> {
    let command = body.into_command()?;
    let view = to_the_end(async move {
        let accounts = &state.accounts;
        accounts
            .confirm_identifier_change(who.session(), &command, &context)
            .await
    })
    .await?;
    Ok(answer::ok(
        "Sign-in email address or phone number changed",
        UserView::from(view),
    ))
}

impl ChangeIdentifierBody {
    fn into_identifier(self, home: Option<&str>) -> Result<Identifier, Problem> {
        let mut refusals = Refusals::default();
        let country = refusals.keep(country_of(self.country.as_deref().or(home)));
        let identifier = country.and_then(|country| {
            let (email, phone) = (self.email.as_deref(), self.phone.as_deref());
            refusals.keep(identifier_of(None, email, phone, country))
        });
        identifier.ok_or_else(|| refusals.into())
    }
}

impl ConfirmIdentifierBody {
    fn into_command(self) -> Result<ConfirmIdentifier, Problem> {
        let mut refusals = Refusals::default();
        let challenge = refusals.keep(opaque_token("challenge_id", self.challenge_id));
        let code = refusals.keep(one_time_code(&self.code));
        match (challenge, code) {
            (Some(challenge), Some(code)) => Ok(ConfirmIdentifier { challenge, code }),
            _ => Err(refusals.into()),
        }
    }
}
