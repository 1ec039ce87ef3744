//! What a use case may know of the request it serves.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Weak},
};

use authentication_domain::sessions::{DeviceId, DeviceToken};
use common::RequestId;
use serde::{Deserialize, Serialize};

/// The request, as far as it matters to the audit trail and to protection.
#[derive(Clone)]
pub struct RequestContext {
    /// Ties answer, logs, audit entries and events together.
    pub request_id: RequestId,
    /// Where from.
    pub origin: Origin,
    /// The `X-Device-Token`, if one came that could be ours.
    pub device_token: Option<DeviceToken>,
    /// Whether this request may have somebody sent a message: what may has a limit of its own.
    pub may_send: bool,
    /// Whether its client still waits for the answer.
    pub awaited: Awaited,
}

/// Whether anybody still waits for an answer: the client may have hung up, or been answered that it took too long,
/// while the work goes to its end.
#[derive(Debug, Clone, Default)]
pub struct Awaited(Option<Weak<()>>);

impl Awaited {
    /// As long as `by` lives. By default (a command line, a worker) the answer is always awaited.
    pub fn by(by: &Arc<()>) -> Self {
        Self(Some(Arc::downgrade(by)))
    }

    pub(crate) fn is_so(&self) -> bool {
        self.0.as_ref().is_none_or(|by| by.strong_count() > 0)
    }
}

/// Where a request came from. Personal: kept under a key only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The client's address, as far as configured proxies are believed.
    pub address: IpAddr,
    /// What the client says it is, shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

impl RequestContext {
    /// The device that the token claims to be.
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
