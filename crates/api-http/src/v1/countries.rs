//! Countries, for forms.

use actix_web::HttpResponse;
use authentication_domain::profiles::country;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    FieldError, Problem,
    answer::{self, Answer, Items},
    ingress::QueryParams,
};

/// Longer than the name of any country.
const LONGEST_SEARCH: usize = 80;

/// A country or territory of ISO 3166-1.
#[derive(Serialize, ToSchema)]
#[schema(as = Country)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountryView {
    /// ISO 3166-1 numeric code.
    #[schema(example = 566)]
    id: u16,
    /// ISO 3166-1 alpha-2 code.
    #[schema(value_type = String, example = "NG", min_length = 2, max_length = 2)]
    alpha2: &'static str,
    /// English short name.
    #[schema(value_type = String, example = "Nigeria")]
    name: &'static str,
    /// International calling code.
    #[schema(value_type = String, example = "+234")]
    dial_code: &'static str,
    /// ISO 4217 code; null where there is no currency.
    #[schema(required, value_type = Option<String>, example = "NGN")]
    currency: Option<&'static str>,
}

/// Countries.
///
/// All of them, in order of their code, or those that somebody typing `q` may mean: a part of the name, the
/// alpha-2 code, or the beginning of the calling code.
#[utoipa::path(get, path = "/api/v1/countries", operation_id = "list_countries", tag = "forms",
    params(("q" = Option<String>, Query, max_length = 80, description = "What was typed.", example = "nig")),
    responses((status = 200, description = "The countries.", body = Answer<Items<CountryView>>)))]
pub(crate) async fn list(query: QueryParams) -> Result<HttpResponse, Problem> {
    let typed = query.get("q").unwrap_or_default();
    if typed.chars().count() > LONGEST_SEARCH {
        let too_long = FieldError::new("q", "too_long", "type at most 80 characters");
        return Err(Problem::invalid_field(too_long));
    }
    let items = country::search(typed).map(CountryView::from).collect();
    Ok(answer::ok(
        "Countries",
        Items {
            items,
            next_cursor: None,
        },
    ))
}

impl From<&'static country::Country> for CountryView {
    fn from(country: &'static country::Country) -> Self {
        Self {
            id: country.id,
            alpha2: country.alpha2,
            name: country.name,
            dial_code: country.dial_code,
            currency: country.currency,
        }
    }
}
