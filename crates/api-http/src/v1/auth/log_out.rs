//! `POST /auth/logout` and `POST /auth/logout-all`

use actix_web::HttpResponse;

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Nothing},
    ingress::Context,
    state::State,
    to_the_end::to_the_end,
    v1::me::sessions::EndedSessions,
};

/// Sign out.
///
/// Ends the session that asks.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "log_out", tag = "sign-in",
    responses((status = 200, description = "Signed out.", body = Answer<Nothing>)))]
pub(crate) async fn log_out(
    state: State,
    Context(context): Context,
    who: Authenticated,
) -> Result<HttpResponse, Problem> {
    to_the_end(async move { state.sessions.log_out(who.session(), &context).await }).await?;
    Ok(answer::ok("Signed out", Nothing {}))
}

/// Sign out everywhere.
///
/// Ends every session of the account, the one that asks too.
#[utoipa::path(post, path = "/api/v1/auth/logout-all", operation_id = "log_out_everywhere", tag = "sign-in",
    responses((status = 200, description = "Signed out everywhere.", body = Answer<EndedSessions>)))]
pub(crate) async fn log_out_everywhere(
    state: State,
    Context(context): Context,
    who: Authenticated,
) -> Result<HttpResponse, Problem> {
    let ended = to_the_end(async move {
        let sessions = &state.sessions;
        sessions.log_out_everywhere(who.session(), &context).await
    })
    .await?;
    Ok(answer::ok("Signed out everywhere", EndedSessions { ended }))
}
