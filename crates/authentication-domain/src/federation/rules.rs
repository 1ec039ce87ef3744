//! The numbers.

use time::Duration;

/// How long what was begun may take (OWASP ASVS 5.0 V10.1.2, V10.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FederationRules {
    /// How long a nonce counts.
    pub nonce_lifetime: Duration,
    /// How long a person may take at the provider.
    pub flow_lifetime: Duration,
}

impl FederationRules {
    /// How far the provider's clock may be from ours.
    pub const CLOCK_SKEW: Duration = Duration::seconds(60);
    /// No nonce and no flow counts for longer.
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
