//! What a use case may know about the request it serves.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Weak},
};

use authentication_domain::sessions::{DeviceId, DeviceToken};
use common::RequestId;
use serde::{Deserialize, Serialize};

/// The parts of a request that matter for the audit log and for protection.
#[derive(Clone)]
pub struct RequestContext {
    /// Links response, logs, audit entries and events.
    pub request_id: RequestId,
    /// The client's address and user agent.
    pub origin: Origin,
    /// The `X-Device-Token`, if the request has one in a valid form.
    pub device_token: Option<DeviceToken>,
    /// Whether this request may cause a message to be sent; requests that may have a separate limit.
    pub may_send: bool,
    /// Whether the client still waits for the response.
    pub awaited: Awaited,
}

/// Whether a client still waits for a response. It may have disconnected, or have got a timeout response, while the
/// work is completed.
#[derive(Debug, Clone, Default)]
pub struct Awaited(Option<Weak<()>>);

impl Awaited {
    /// Awaited as long as `by` lives. The default (for a command line or a worker) is always awaited.
    pub fn by(by: &Arc<()>) -> Self {
        Self(Some(Arc::downgrade(by)))
    }

    pub(crate) fn is_so(&self) -> bool {
        self.0.as_ref().is_none_or(|by| by.strong_count() > 0)
    }
}

/// Where a request came from. Personal: stored only under a key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The client's address, as reported by trusted proxies.
    pub address: IpAddr,
    /// The client's user agent, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl RequestContext {
    /// The device that the presented token names.
    pub fn claimed_device(&self) -> Option<DeviceId> {
        self.device_token.as_ref().map(|token| token.device)
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin(…)")
    }
}
