//! The development mailbox: JSON for programs, a page for people. Not registered in production mode, nor with
//! another sender of messages.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, Accept, Header as _},
    },
    mime::Mime,
};

use crate::{
    FieldError, Problem, ProblemCode,
    answer::{self, Items},
    ingress::QueryParams,
    ports::{MailboxMessage, MailboxQuery},
    state::State,
};

/// Allows the page its own script and calls to its own origin. A mail is shown in a sandboxed frame under the same
/// policy, which allows inline styles for mails.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; \
    connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'";

/// Sent messages (development only).
///
/// Newest first. Kept in memory only, on the node that sent them. A browser (`Accept: text/html` before
/// `application/json`) gets a page that shows the messages.
#[utoipa::path(get, path = "/dev/mailbox", operation_id = "development_mailbox", tag = "development",
    params(
        ("to" = Option<String>, Query, description = "Only messages to this recipient.", example = "ada@example.com"),
        ("q" = Option<String>, Query, description = "Only messages that contain this in the recipient, subject, text or code."),
        ("limit" = Option<usize>, Query, description = "The maximum number of messages.", minimum = 1, example = 20)),
    responses((status = 200, description = "The messages.", body = Items<MailboxMessage>)))]
pub(crate) async fn list(
    state: State,
    query: QueryParams,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mailbox = state
        .mailbox()
        .ok_or_else(|| Problem::of(ProblemCode::NotFound))?;
    if wants_page(&request) {
        return Ok(page());
    }
    let wanted = MailboxQuery {
        to: query.get("to"),
        contains: query.get("q"),
        limit: query.get("limit").map(limit).transpose()?,
    };
    let list = Items {
        items: mailbox.messages(&wanted),
        next_cursor: None,
    };
    let mut answer = answer::bare(StatusCode::OK, &list);
    answer.headers_mut().insert(
        header::VARY,
        header::HeaderValue::from_static(header::ACCEPT.as_str()),
    );
    Ok(answer)
}

/// The files of the page.
pub(crate) async fn file(state: State, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let not_found = || Problem::of(ProblemCode::NotFound);
    state.mailbox().ok_or_else(not_found)?;
    let (content_type, text) = match request.match_info().get("file") {
        Some("page.js") => ("text/javascript; charset=utf-8", include_str!("page.js")),
        Some("page.css") => ("text/css; charset=utf-8", include_str!("page.css")),
        _ => return Err(not_found()),
    };
    Ok(HttpResponse::Ok().content_type(content_type).body(text))
}

fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::VARY, header::ACCEPT.as_str()))
        .body(include_str!("page.html"))
}

/// Whether `Accept` lists HTML, and no JSON before it. `*/*` alone, which curl sends, gets JSON.
fn wants_page(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let ranked = accept.ranked();
    ranked
        .iter()
        .map(Mime::essence_str)
        .find(|range| ["text/html", "application/json"].contains(range))
        == Some("text/html")
}

fn limit(text: &str) -> Result<usize, Problem> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| {
        Problem::invalid_field(FieldError::new(
            "limit",
            "out_of_range",
            "must be a whole number, at least 1",
        ))
    })
}
