//! `GET /me/providers`, `POST /me/providers/{name}/options`, `POST /me/providers/{name}` and
//! `DELETE /me/providers/{name}`.
//!
//! The same handlers serve `/me/google/…`.

use actix_web::HttpResponse;
use authentication_app::federation::{LinkIdentity, LinkedIdentity};
use garde::Validate;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Items, Nothing},
    ingress::{AtProvider, Context, JsonBody, RecentlyAuthenticated},
    state::State,
    to_the_end::to_the_end,
    v1::auth::providers::{LONGEST_ID_TOKEN, NonceView, bounded},
};

/// The ID token from the provider.
#[derive(Deserialize, Validate, ToSchema)]
#[schema(example = json!({ "id_token": "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.e30.c2ln" }))]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkProviderBody {
    /// With a nonce from `POST /me/providers/{name}/options`.
    #[garde(skip)]
    #[schema(value_type = String, min_length = 1, max_length = 8192)]
    id_token: SecretString,
}

/// A provider identity that is linked to the account.
#[derive(Serialize, ToSchema)]
#[schema(as = LinkedProvider)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkedProviderItem {
    /// The provider's name. A provider that is no longer configured can't be used to sign in.
    #[schema(example = "google")]
    name: String,
    /// When it was linked.
    #[serde(with = "time::serde::rfc3339")]
    linked_at: OffsetDateTime,
}

impl From<LinkedIdentity> for LinkedProviderItem {
    fn from(linked: LinkedIdentity) -> Self {
        Self {
            name: linked.provider.to_string(),
            linked_at: linked.linked_at,
        }
    }
}

/// Your linked providers.
///
/// Sorted by name, all on one page.
#[utoipa::path(get, path = "/api/v1/me/providers", operation_id = "list_my_providers", tag = "me",
    responses((status = 200, description = "The whole list.", body = Answer<Items<LinkedProviderItem>>)))]
pub(crate) async fn list(state: State, who: Authenticated) -> Result<HttpResponse, Problem> {
    let linked = state.sessions.linked_identities(who.session()).await?;
    let list = Items {
        items: linked.into_iter().map(LinkedProviderItem::from).collect(),
        next_cursor: None,
    };
    Ok(answer::ok("Your sign-in providers", list))
}

/// Get a nonce for an ID token to use in this session.
///
/// For `POST /me/providers/{name}` and `POST /auth/reauthenticate`. The nonce is valid once, for ten minutes, for
/// this provider and in this session only. A change to the account's sign-in methods invalidates it. It can't be
/// used to sign in. If it was issued with an `X-Device-Token`, it is valid only with the same one.
#[utoipa::path(post, path = "/api/v1/me/providers/{name}/options", operation_id = "link_provider_options", tag = "me",
    params(("name" = String, Path, description = "The name of the provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    responses((status = 200, description = "The nonce.", body = Answer<NonceView>)))]
pub(crate) async fn options(
    who: Authenticated,
    at: AtProvider,
    Context(context): Context,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    let nonce = to_the_end(async move {
        federation
            .issue_nonce_in_session(who.session(), &context)
            .await
    })
    .await?;
    Ok(answer::ok("Nonce issued", NonceView::of(&nonce)))
}

/// Link a provider account to this account.
///
/// Requires a recent sign-in. The email address at the provider may differ from the account's. An account can
/// have one identity per provider. The nonce must have been requested in this session. If it was issued with an
/// `X-Device-Token`, it is valid only with the same one.
#[utoipa::path(post, path = "/api/v1/me/providers/{name}", operation_id = "link_provider", tag = "me",
    params(("name" = String, Path, description = "The name of the provider."), ("X-Device-Token" = Option<String>, Header, description = "The `device_token` from an earlier sign-in.")),
    request_body = LinkProviderBody,
    responses((status = 200, description = "Linked.", body = Answer<Nothing>)))]
pub(crate) async fn link(
    Context(context): Context,
    who: RecentlyAuthenticated,
    at: AtProvider,
    JsonBody(body): JsonBody<LinkProviderBody>,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    let id_token =
        bounded("id_token", body.id_token, LONGEST_ID_TOKEN).map_err(Problem::invalid_field)?;
    let command = LinkIdentity { id_token };
    to_the_end(async move { federation.link(who.session(), &command, &context).await }).await?;
    Ok(answer::ok("Provider linked", Nothing {}))
}

/// Unlink a provider.
///
/// Requires a recent sign-in. Ends all other sessions. Refused with 409 `last_way_in` if the account has no
/// password, no passkey and no other provider, and can't be signed in to with a code alone: set a password first,
/// with `POST /auth/password/reset`.
#[utoipa::path(delete, path = "/api/v1/me/providers/{name}", operation_id = "unlink_provider", tag = "me",
    params(("name" = String, Path, description = "The name of the provider.")),
    responses((status = 200, description = "Unlinked.", body = Answer<Nothing>)))]
pub(crate) async fn unlink(
    Context(context): Context,
    who: RecentlyAuthenticated,
    at: AtProvider,
) -> Result<HttpResponse, Problem> {
    let federation = at.provider()?;
    to_the_end(async move { federation.unlink(who.session(), &context).await }).await?;
    Ok(answer::ok("Provider unlinked", Nothing {}))
}
