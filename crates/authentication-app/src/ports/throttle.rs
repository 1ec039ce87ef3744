//! Counting calls in sliding windows.

use async_trait::async_trait;
use authentication_domain::protection::Quota;
use time::Duration;

use super::CacheError;

/// What is counted: a route class and whom, as a digest or an address prefix, never an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ThrottleKey(pub String);

/// One window to count a call in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottleRequest {
    /// What is counted.
    pub key: ThrottleKey,
    /// How often it may be.
    pub quota: Quota,
}

/// Where the call left a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleOutcome {
    /// The call is within the quota.
    pub allowed: bool,
    /// Calls left in the window.
    pub remaining: u32,
    /// When allowed: until the window is whole again. When not: until a call may succeed.
    pub reset_after: Duration,
}

/// Sliding-window counters, shared by all nodes or of this one.
#[async_trait]
pub trait Throttle: Send + Sync {
    /// Counts one call in each window, in one round trip, and tells where each stands, in the order asked.
    /// A call that any window refuses is counted in none. Of `n` calls at one moment on a fresh window of
    /// quota `q`, exactly `min(n, q)` are allowed.
    ///
    /// # Errors
    /// [`CacheError`] when the counters are out of reach; the caller counts on its own node then.
    async fn count(&self, requests: &[ThrottleRequest])
    -> Result<Vec<ThrottleOutcome>, CacheError>;
}
