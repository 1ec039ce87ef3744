//! The numbers, and what an account needs before it may be unlinked.

use time::Duration;

use crate::accounts::SignUpMethod;

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
}

impl Default for FederationRules {
    fn default() -> Self {
        Self {
            nonce_lifetime: Duration::minutes(10),
            flow_lifetime: Duration::minutes(10),
        }
    }
}

/// Whether somebody gets in without the provider.
///
/// A password or a passkey is a way in. A code to the identifier is one only where the person proved the
/// identifier to us: the address of an account that the provider vouched for was never written to, and who
/// reads there now is not known.
pub const fn has_another_way_in(
    sign_up_method: SignUpMethod,
    has_password: bool,
    has_passkey: bool,
) -> bool {
    has_password || has_passkey || !matches!(sign_up_method, SignUpMethod::Google)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provider_is_the_last_way_in_of_whoever_has_nothing_else() {
        assert!(!has_another_way_in(SignUpMethod::Google, false, false));
        assert!(has_another_way_in(SignUpMethod::Google, true, false));
        assert!(has_another_way_in(SignUpMethod::Google, false, true));
        assert!(has_another_way_in(SignUpMethod::Email, false, false));
        assert!(has_another_way_in(SignUpMethod::Phone, false, false));
    }
}
