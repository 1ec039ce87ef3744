//! The development mailbox. Not registered in production mode, nor while messages go anywhere else.

use actix_web::{HttpResponse, http::StatusCode};

use crate::{
    Problem, ProblemCode,
    answer::{self, Items},
    ingress::QueryParams,
    ports::MailboxMessage,
    state::State,
};

/// What was sent (development only).
///
/// Newest first; in memory only, of the node that sent it.
#[utoipa::path(get, path = "/dev/mailbox", operation_id = "development_mailbox", tag = "development",
    params(("to" = Option<String>, Query, description = "Only messages to this recipient.", example = "ada@example.com")),
    responses((status = 200, description = "The messages.", body = Items<MailboxMessage>)))]
pub(crate) async fn list(state: State, query: QueryParams) -> Result<HttpResponse, Problem> {
    let mailbox = state
        .mailbox()
        .ok_or_else(|| Problem::of(ProblemCode::NotFound))?;
    let list = Items {
        items: mailbox.messages(query.get("to")),
        next_cursor: None,
    };
    Ok(answer::bare(StatusCode::OK, &list))
}
