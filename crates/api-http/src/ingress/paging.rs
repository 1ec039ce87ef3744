//! `?limit=&cursor=`: pages, with a cursor that is opaque to clients.

use authentication_app::{CursorBytes, Cursors, List};
use authentication_domain::{accounts::AccountId, sessions::SessionId};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::page::PageRequest;

use super::QueryParams;
use crate::{FieldError, Problem};

/// The page of the caller's own sessions that the query requests.
pub(crate) fn page_of_sessions(
    query: &QueryParams,
    cursors: &Cursors,
    owner: AccountId,
) -> Result<PageRequest<SessionId>, Problem> {
    let limit = query.get("limit").map(parse_limit).transpose()?;
    let read = |text| {
        let cursor = bytes_of(text)?;
        let place = cursors.read(List::OwnSessions, owner, &cursor)?;
        Some(SessionId::from_uuid(place))
    };
    let read = |text| read(text).ok_or_else(refused_cursor);
    let after = query.get("cursor").map(read).transpose()?;
    PageRequest::new(limit, after).map_err(|out_of_range| {
        Problem::invalid_field(FieldError::new(
            "limit",
            "out_of_range",
            out_of_range.to_string(),
        ))
    })
}

/// The cursor of the page of sessions after `last`.
pub(crate) fn cursor_of(cursors: &Cursors, owner: AccountId, last: SessionId) -> String {
    URL_SAFE_NO_PAD.encode(cursors.after(List::OwnSessions, owner, last.as_uuid()))
}

/// The length of every cursor in characters; a text of any other length is not decoded.
const CURSOR_LENGTH: usize = 43;

fn bytes_of(text: &str) -> Option<CursorBytes> {
    if text.len() != CURSOR_LENGTH {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn parse_limit(text: &str) -> Result<u32, Problem> {
    let refused = || {
        Problem::invalid_field(FieldError::new(
            "limit",
            "out_of_range",
            "must be a whole number from 1 to 100",
        ))
    };
    text.parse().map_err(|_| refused())
}

/// Malformed, altered, of another list or of another account: the client does not learn which.
fn refused_cursor() -> Problem {
    Problem::invalid_field(FieldError::new(
        "cursor",
        "invalid_format",
        "send the next_cursor of the previous page",
    ))
}

#[cfg(test)]
mod tests {
    use actix_web::{FromRequest as _, test::TestRequest};
    use uuid::Uuid;

    use super::*;
    use crate::test_support::TestState;

    fn number<K>(number: u128) -> common::Id<K> {
        common::Id::from_uuid(Uuid::from_u128(number))
    }

    fn page(
        test: &TestState,
        owner: AccountId,
        query: &str,
    ) -> Result<PageRequest<SessionId>, String> {
        let request = TestRequest::get()
            .uri(&format!("/?{query}"))
            .to_http_request();
        let params = QueryParams::extract(&request).into_inner().unwrap();
        page_of_sessions(&params, &test.state.cursors, owner).map_err(|problem| {
            assert_eq!(problem.code().status().as_u16(), 422);
            let error = &problem.errors()[0];
            format!("{}/{}", error.field, error.code)
        })
    }

    #[actix_web::test]
    async fn a_cursor_leads_its_owner_back_to_where_it_came_from_and_nobody_else() {
        let test = TestState::new().await;
        let (owner, last) = (number(1), number(0x0123_4567_89ab));
        let cursor = cursor_of(&test.state.cursors, owner, last);
        assert_eq!(cursor.len(), CURSOR_LENGTH);
        let back = page(&test, owner, &format!("limit=5&cursor={cursor}")).unwrap();
        assert_eq!((back.limit(), back.after), (5, Some(last)));
        let refused = Err("cursor/invalid_format".to_owned());
        let of_another = page(&test, number(2), &format!("cursor={cursor}"));
        assert_eq!(of_another, refused);
        for at in 0..cursor.len() {
            let mut altered = cursor.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            let query = format!("cursor={altered}");
            assert_eq!(page(&test, owner, &query), refused, "{altered}");
        }
    }

    #[actix_web::test]
    async fn without_parameters_it_is_the_first_page() {
        let test = TestState::new().await;
        assert_eq!(page(&test, number(1), "").unwrap().after, None);
    }

    #[actix_web::test]
    async fn limits_and_cursors_that_make_no_sense_are_refused() {
        let test = TestState::new().await;
        for limit in ["0", "101", "-1", "18446744073709551615", "ten", "", "1e1"] {
            assert_eq!(
                page(&test, number(1), &format!("limit={limit}")),
                Err("limit/out_of_range".to_owned()),
                "{limit}"
            );
        }
        // The last is an unauthenticated cursor in the old format.
        let (long, bare) = ("A".repeat(400), "A".repeat(22));
        let empty_mac = "A".repeat(43);
        for cursor in ["", "x", "%00", "AAAA", &long, &empty_mac, &bare] {
            assert_eq!(
                page(&test, number(1), &format!("cursor={cursor}")),
                Err("cursor/invalid_format".to_owned()),
                "{cursor}"
            );
        }
    }
}
