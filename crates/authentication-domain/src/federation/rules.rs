//! Time limits of federated sign-in.

use time::Duration;

/// How long a flow may take from start to finish (OWASP ASVS 5.0 V10.1.2, V10.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FederationRules {
    /// TTL of a nonce.
    pub nonce_lifetime: Duration,
    /// How long the person may stay at the provider.
    pub flow_lifetime: Duration,
}

impl FederationRules {
    /// Accepted difference between the provider's clock and the local one.
    pub const CLOCK_SKEW: Duration = Duration::seconds(60);
    /// Upper bound for the lifetime of nonces and flows.
    pub const LONGEST: Duration = Duration::minutes(10);
}

impl Default for FederationRules {
    fn default() -> Self {
        Self {
            nonce_lifetime: Self::LONGEST,
            flow_lifetime: Self::LONGEST,
        }
    }
}
