//! The part of a request that use cases may see.

use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use authentication_app::{Awaited, Origin, RequestContext};
use authentication_domain::sessions::DeviceToken;

use super::{client, request_id_of};
use crate::{
    Problem,
    routes::{RouteSpec, Sends},
    state::state_of,
};

const DEVICE_TOKEN: &str = "x-device-token";

/// Extracts the [`RequestContext`].
pub(crate) struct Context(pub(crate) RequestContext);

impl FromRequest for Context {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(context_of(request).map(Self))
    }
}

fn context_of(request: &HttpRequest) -> Result<RequestContext, Problem> {
    let config = &state_of(request)?.config;
    Ok(RequestContext {
        request_id: request_id_of(request)?,
        origin: Origin {
            address: client::address_of(request, config),
            user_agent: client::user_agent_of(request.headers()),
        },
        // A malformed token counts as absent: a client must be able to sign in with a stale one.
        device_token: request
            .headers()
            .get(DEVICE_TOKEN)
            .and_then(|value| value.to_str().ok())
            .and_then(DeviceToken::parse),
        // A route of another bounded context is not in this table, and may send.
        may_send: RouteSpec::of(request).is_none_or(|spec| spec.sends != Sends::Nothing),
        awaited: awaited(request),
    })
}

/// Tracks whether the request still exists: it is dropped when its client disconnects, and at its deadline.
fn awaited(request: &HttpRequest) -> Awaited {
    let mut extensions = request.extensions_mut();
    if let Some(Waiting(waiting)) = extensions.get() {
        return Awaited::by(waiting);
    }
    let waiting = Arc::default();
    let awaited = Awaited::by(&waiting);
    let _none_before = extensions.insert(Waiting(waiting));
    awaited
}

/// Lives as long as the request.
struct Waiting(Arc<()>);
