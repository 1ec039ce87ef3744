//! The list of countries, for forms.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use authentication_app::caching::Intent;
use authentication_domain::profiles::country;
use serde::Serialize;
use time::Duration;
use utoipa::ToSchema;

use crate::{
    FieldError, Problem, ProblemCode,
    answer::{Answer, Items},
    ingress::QueryParams,
    rendered::Rendered,
};

/// Cached by clients and proxies; the list changes only with a release.
pub const COUNTRIES: Intent = Intent {
    name: "countries",
    why: "every form asks for the same 250 rows, which change only with a release; clients keep them, and \
          this process renders them once",
    version: 1,
    ttl: Duration::HOUR,
    jitter_percent: 0,
    early_percent: 0,
    capacity: 1,
}
.checked();

/// [`COUNTRIES`] as the value of `Cache-Control`.
const KEEP_AN_HOUR: &str = "public, max-age=3600";

/// The whole list, rendered once, because it depends on the code only.
static ALL: LazyLock<Option<Rendered>> = LazyLock::new(|| Rendered::of(&listed("")).ok());

/// The longest search text, in characters; no country has a longer name.
const LONGEST_SEARCH: usize = 80;

/// A country or territory (ISO 3166-1).
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
    /// ISO 4217 code; null if there is no currency.
    #[schema(required, value_type = Option<String>, example = "NGN")]
    currency: Option<&'static str>,
}

/// List countries.
///
/// All of them, sorted by code, or those that match `q`: part of the name, the alpha-2 code, or the start of the
/// calling code. Can be cached for an hour. Use `ETag` and `If-None-Match` to check whether the answer has
/// changed.
#[utoipa::path(get, path = "/api/v1/countries", operation_id = "list_countries", tag = "forms",
    params(("q" = Option<String>, Query, max_length = 80, description = "What the person has typed.", example = "nig")),
    responses(
        (status = 200, description = "The countries.", body = Answer<Items<CountryView>>),
        (status = 304, description = "Not changed since."),
    ))]
pub(crate) async fn list(
    request: HttpRequest,
    query: QueryParams,
) -> Result<HttpResponse, Problem> {
    let typed = query.get("q").unwrap_or_default();
    if typed.chars().count() > LONGEST_SEARCH {
        let too_long = FieldError::new("q", "too_long", "use at most 80 characters");
        return Err(Problem::invalid_field(too_long));
    }
    if let (true, Some(all)) = (typed.trim().is_empty(), ALL.as_ref()) {
        return Ok(all.answer(&request, KEEP_AN_HOUR));
    }
    let found = Rendered::of(&listed(typed))
        .map_err(|error| Problem::of(ProblemCode::InternalError).caused_by(error))?;
    Ok(found.answer(&request, KEEP_AN_HOUR))
}

fn listed(typed: &str) -> Answer<Items<CountryView>> {
    Answer::new(
        "Countries",
        Items {
            items: country::search(typed).map(CountryView::from).collect(),
            next_cursor: None,
        },
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_header_says_is_what_was_declared() {
        let seconds = COUNTRIES.ttl.whole_seconds();
        assert_eq!(KEEP_AN_HOUR, format!("public, max-age={seconds}"));
    }
}
