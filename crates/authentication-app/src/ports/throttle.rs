//! Sliding-window counters of calls.

use async_trait::async_trait;
use authentication_domain::protection::Quota;
use time::Duration;

use super::CacheError;

/// What is counted: a route class and a caller, who is given as a digest or an address prefix, never as an
/// identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ThrottleKey(pub String);

/// One window in which a call counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottleRequest {
    /// The key of the window.
    pub key: ThrottleKey,
    /// The quota of the window.
    pub quota: Quota,
}

/// The state of a window after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleOutcome {
    /// Whether the call is within the quota.
    pub allowed: bool,
    /// Calls left in the window.
    pub remaining: u32,
    /// When allowed: until the window is empty again. When not: until a call may succeed.
    pub reset_after: Duration,
}

/// Sliding-window counters, either shared by all nodes or local to this one.
#[async_trait]
pub trait Throttle: Send + Sync {
    /// Counts one call in each window, in one round trip, and returns the state of each, in the order of the
    /// requests. A call that one window refuses is counted in none. Of `n` concurrent calls on a fresh window of
    /// quota `q`, exactly `min(n, q)` are allowed.
    ///
    /// # Errors
    /// [`CacheError`] when the counters are unreachable; the caller then counts locally.
    async fn count(&self, requests: &[ThrottleRequest])
    -> Result<Vec<ThrottleOutcome>, CacheError>;
}
