//! The body of routes that require only an identifier.

use authentication_domain::accounts::Identifier;
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    ingress::{Refusals, country_of, identifier_of},
};

/// Exactly one of the three identifier fields.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "identifier": "ada@example.com" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierBody {
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
}

impl IdentifierBody {
    pub(super) fn into_identifier(self) -> Result<Identifier, Problem> {
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
        identifier.ok_or_else(|| refusals.into())
    }
}
