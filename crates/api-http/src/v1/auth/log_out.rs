//! `POST /auth/logout` and `POST /auth/logout-all`

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Nothing},
    ingress::{Context, RecentlyAuthenticated},
    state::State,
    to_the_end::to_the_end,
    v1::me::sessions::EndedSessions,
};

/// The data that a browser clears together with the session (OWASP ASVS 5.0 V14.3.1). Not cookies: the service sets
/// none, and a browser would delete those of the whole registrable domain.
const CLEARED: (&str, &str) = ("clear-site-data", "\"cache\", \"storage\"");

/// Whether the client is a browser: only browsers send these headers, and scripts cannot set them (Fetch Metadata).
/// A server that signs out for a user has nothing to clear.
fn is_browser(headers: &HeaderMap) -> bool {
    ["sec-fetch-site", "sec-fetch-mode"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// Adds the header that makes a browser clear its data of this service.
fn signed_out(request: &HttpRequest, mut answer: HttpResponse) -> HttpResponse {
    if is_browser(request.headers()) {
        let (name, value) = CLEARED;
        answer.headers_mut().insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    answer
}

/// Sign out.
///
/// Ends the current session. Tells browsers to clear stored data (`Clear-Site-Data`).
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "log_out", tag = "sign-in",
    responses((status = 200, description = "Signed out.", body = Answer<Nothing>)))]
pub(crate) async fn log_out(
    state: State,
    request: HttpRequest,
    Context(context): Context,
    who: Authenticated,
) -> Result<HttpResponse, Problem> {
    to_the_end(async move { state.sessions.log_out(who.session(), &context).await }).await?;
    Ok(signed_out(&request, answer::ok("Signed out", Nothing {})))
}

/// Sign out everywhere.
///
/// Ends every session of the account, including the current one. Requires a recent sign-in. Tells browsers to
/// clear stored data (`Clear-Site-Data`).
#[utoipa::path(post, path = "/api/v1/auth/logout-all", operation_id = "log_out_everywhere", tag = "sign-in",
    responses((status = 200, description = "Signed out everywhere.", body = Answer<EndedSessions>)))]
pub(crate) async fn log_out_everywhere(
    state: State,
    request: HttpRequest,
    Context(context): Context,
    who: RecentlyAuthenticated,
) -> Result<HttpResponse, Problem> {
    let ended = to_the_end(async move {
        let sessions = &state.sessions;
        sessions.log_out_everywhere(who.session(), &context).await
    })
    .await?;
    let answer = answer::ok("Signed out everywhere", EndedSessions { ended });
    Ok(signed_out(&request, answer))
}
