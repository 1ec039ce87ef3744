//! `?limit=&cursor=`: pages, with a cursor that means nothing to a client.

use authentication_domain::sessions::SessionId;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::page::PageRequest;
use uuid::Uuid;

use super::QueryParams;
use crate::{FieldError, Problem};

/// The page of sessions that the query asks for.
pub(crate) fn page_of_sessions(query: &QueryParams) -> Result<PageRequest<SessionId>, Problem> {
    let limit = query.get("limit").map(parse_limit).transpose()?;
    let after = query.get("cursor").map(parse_cursor).transpose()?;
    PageRequest::new(limit, after).map_err(|out_of_range| {
        Problem::invalid_field(FieldError::new(
            "limit",
            "out_of_range",
            out_of_range.to_string(),
        ))
    })
}

/// The cursor of the page that begins after `last`.
pub(crate) fn cursor_of(last: SessionId) -> String {
    URL_SAFE_NO_PAD.encode(last.as_uuid().as_bytes())
}

fn parse_limit(text: &str) -> Result<u32, Problem> {
    let refused = || {
        Problem::invalid_field(FieldError::new(
            "limit",
            "out_of_range",
            "a limit is a whole number from 1 to 100",
        ))
    };
    text.parse().map_err(|_| refused())
}

fn parse_cursor(text: &str) -> Result<SessionId, Problem> {
    let refused = || {
        Problem::invalid_field(FieldError::new(
            "cursor",
            "invalid_format",
            "send the next_cursor of the page before",
        ))
    };
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
    let id = Uuid::from_slice(&bytes).map_err(|_| refused())?;
    Ok(SessionId::from_uuid(id))
}

#[cfg(test)]
mod tests {
    use actix_web::{FromRequest as _, test::TestRequest};

    use super::*;

    fn page(query: &str) -> Result<PageRequest<SessionId>, String> {
        let request = TestRequest::get()
            .uri(&format!("/?{query}"))
            .to_http_request();
        let params = QueryParams::extract(&request).into_inner().unwrap();
        page_of_sessions(&params).map_err(|problem| {
            assert_eq!(problem.code().status().as_u16(), 422);
            let error = &problem.errors()[0];
            format!("{}/{}", error.field, error.code)
        })
    }

    #[test]
    fn a_cursor_leads_back_to_where_it_came_from() {
        let last = SessionId::from_uuid(Uuid::from_u128(0x0123_4567_89ab));
        let page = page(&format!("limit=5&cursor={}", cursor_of(last))).unwrap();
        assert_eq!((page.limit(), page.after), (5, Some(last)));
    }

    #[test]
    fn without_parameters_it_is_the_first_page() {
        assert_eq!(page("").unwrap().after, None);
    }

    #[test]
    fn limits_and_cursors_that_make_no_sense_are_refused() {
        for limit in ["0", "101", "-1", "18446744073709551615", "ten", "", "1e1"] {
            assert_eq!(
                page(&format!("limit={limit}")),
                Err("limit/out_of_range".to_owned()),
                "{limit}"
            );
        }
        for cursor in ["", "x", "%00", "AAAA", &"A".repeat(400)] {
            assert_eq!(
                page(&format!("cursor={cursor}")),
                Err("cursor/invalid_format".to_owned()),
                "{cursor}"
            );
        }
    }
}
