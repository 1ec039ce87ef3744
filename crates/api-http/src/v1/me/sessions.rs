//! `GET /me/sessions`, `DELETE /me/sessions/{id}` and `DELETE /me/sessions`

use actix_web::{HttpRequest, HttpResponse};
use authentication_app::sessions::SessionView;
use common::access::Session;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Items, Nothing},
    ingress::{
        Context, PathId, QueryParams, RecentlyAuthenticated, cursor_of, demand_recent,
        page_of_sessions,
    },
    state::State,
    to_the_end::to_the_end,
    v1::views::{DeviceView, PlaceView},
};

/// A session of the account.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionItem {
    id: Uuid,
    /// Whether it is the current session.
    current: bool,
    device: DeviceView,
    place: PlaceView,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When its tokens were last refreshed.
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    /// When it expires if it isn't used.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// How many sessions ended.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndedSessions {
    #[schema(example = 2)]
    pub(crate) ended: usize,
}

/// Your sessions, newest first.
#[utoipa::path(get, path = "/api/v1/me/sessions", operation_id = "list_my_sessions", tag = "me",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Items per page; 20 by default."),
        ("cursor" = Option<String>, Query, pattern = "^[A-Za-z0-9_-]{43}$", description = "The `next_cursor` of the previous page."),
    ),
    responses((status = 200, description = "A page of sessions.", body = Answer<Items<SessionItem>>)))]
pub(crate) async fn list(
    state: State,
    who: Authenticated,
    query: QueryParams,
) -> Result<HttpResponse, Problem> {
    let (cursors, owner) = (&state.cursors, who.session().owner.account.id);
    let page = page_of_sessions(&query, cursors, owner)?;
    let page = state.sessions.list(who.session(), &page).await?;
    let cursor_of = |last| cursor_of(cursors, owner, last);
    let list = Items {
        items: page.items.into_iter().map(SessionItem::from).collect(),
        next_cursor: page.next.map(cursor_of),
    };
    Ok(answer::ok("Your sessions", list))
}

/// End one of your sessions.
///
/// Ending another session than the current one requires a recent sign-in.
#[utoipa::path(delete, path = "/api/v1/me/sessions/{id}", operation_id = "end_my_session", tag = "me",
    params(("id" = Uuid, Path, description = "The id.")),
    responses((status = 200, description = "The session has ended.", body = Answer<Nothing>)))]
pub(crate) async fn end(
    state: State,
    request: HttpRequest,
    Context(context): Context,
    who: Authenticated,
    PathId(session): PathId<Session>,
) -> Result<HttpResponse, Problem> {
    if session != who.session().session {
        demand_recent(&request, who.session()).await?;
    }
    to_the_end(async move { state.sessions.end(who.session(), session, &context).await }).await?;
    Ok(answer::ok("Session ended", Nothing {}))
}

/// End all your other sessions.
///
/// Requires a recent sign-in.
#[utoipa::path(delete, path = "/api/v1/me/sessions", operation_id = "end_my_other_sessions", tag = "me",
    responses((status = 200, description = "The other sessions have ended.", body = Answer<EndedSessions>)))]
pub(crate) async fn end_others(
    state: State,
    Context(context): Context,
    who: RecentlyAuthenticated,
) -> Result<HttpResponse, Problem> {
    let ended =
        to_the_end(async move { state.sessions.end_others(who.session(), &context).await }).await?;
    Ok(answer::ok("Other sessions ended", EndedSessions { ended }))
}

impl From<SessionView> for SessionItem {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.session.as_uuid(),
            current: view.is_current,
            device: DeviceView::of(view.origin.user_agent.as_deref()),
            place: PlaceView::of(view.origin.address),
            created_at: view.created_at,
            last_used_at: view.last_used_at,
            expires_at: view.expires_at,
        }
    }
}
