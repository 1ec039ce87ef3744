//! The body of the routes that ask for nothing but an identifier.

use authentication_domain::accounts::Identifier;
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    Problem,
    ingress::{Refusals, identifier_of},
};

/// Exactly one of the three.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "identifier": "ada@example.com" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentifierBody {
    /// An email address, or a phone number in international form.
    #[garde(length(chars, max = 254))]
    #[schema(max_length = 254)]
    identifier: Option<String>,
    #[garde(length(chars, max = 254))]
    #[schema(max_length = 254, format = Email)]
    email: Option<String>,
    /// International form: `+`, country code, number.
    #[garde(length(chars, max = 40))]
    #[schema(max_length = 40, pattern = r"^ *\+[0-9 .()-]{8,39}$")]
    phone: Option<String>,
}

impl IdentifierBody {
    pub(super) fn into_identifier(self) -> Result<Identifier, Problem> {
        let mut refusals = Refusals::default();
        let identifier = refusals.keep(identifier_of(
            self.identifier.as_deref(),
            self.email.as_deref(),
            self.phone.as_deref(),
        ));
        identifier.ok_or_else(|| refusals.into())
    }
}
