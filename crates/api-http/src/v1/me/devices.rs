//! `GET /me/devices` and `DELETE /me/devices/{id}`

use actix_web::HttpResponse;
use authentication_app::sessions::KnownDevice;
use authentication_domain::sessions::Device;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Authenticated, Problem,
    answer::{self, Answer, Items, Nothing},
    ingress::{Context, PathId, RecentlyAuthenticated},
    state::State,
    to_the_end::to_the_end,
};

/// A known device of the account.
#[derive(Serialize, ToSchema)]
#[schema(as = KnownDevice)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceItem {
    id: Uuid,
    /// Whether the current session was started from it.
    current: bool,
    /// When it was first used to sign in.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was last used to sign in.
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    /// Until when it skips the second factor; null if it doesn't.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required)]
    remembered_until: Option<OffsetDateTime>,
}

/// Your devices, most recently used first. At most 20, all on one page.
#[utoipa::path(get, path = "/api/v1/me/devices", operation_id = "list_my_devices", tag = "me",
    responses((status = 200, description = "The whole list.", body = Answer<Items<DeviceItem>>)))]
pub(crate) async fn list(state: State, who: Authenticated) -> Result<HttpResponse, Problem> {
    let devices = state.sessions.list_devices(who.session()).await?;
    let list = Items {
        items: devices.into_iter().map(DeviceItem::from).collect(),
        next_cursor: None,
    };
    Ok(answer::ok("Your devices", list))
}

/// Forget one of your devices.
///
/// The device is then treated like an unknown one: its failures count with those of unknown devices, and it no
/// longer skips the second factor. Sessions started from it continue. Requires a recent sign-in.
#[utoipa::path(delete, path = "/api/v1/me/devices/{id}", operation_id = "forget_my_device", tag = "me",
    params(("id" = Uuid, Path, description = "The id.")),
    responses((status = 200, description = "Forgotten.", body = Answer<Nothing>)))]
pub(crate) async fn forget(
    state: State,
    Context(context): Context,
    who: RecentlyAuthenticated,
    PathId(device): PathId<Device>,
) -> Result<HttpResponse, Problem> {
    to_the_end(async move {
        let sessions = &state.sessions;
        sessions
            .forget_device(who.session(), device, &context)
            .await
    })
    .await?;
    Ok(answer::ok("Device removed", Nothing {}))
}

impl From<KnownDevice> for DeviceItem {
    fn from(known: KnownDevice) -> Self {
        Self {
            id: known.device.as_uuid(),
            current: known.is_current,
            created_at: known.created_at,
            last_used_at: known.last_used_at,
            remembered_until: known.remembered_until,
        }
    }
}
