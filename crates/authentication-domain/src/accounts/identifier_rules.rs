//! Time limits for changes of identifiers, and for trust in phone numbers.

use time::{Duration, OffsetDateTime};

use super::SignUpMethod;

/// Limits for identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentifierRules {
    /// How long after a change the previous holder of the identifier can undo it. The identifier stays
    /// reserved meanwhile.
    pub undo_for: Duration,
    /// TTL of the link in a notice that lets the owner report "this was not me".
    pub notice_link_lifetime: Duration,
    /// How long after its last proof a text message to a number is enough to open the account. Operators
    /// reassign unused numbers (NIST SP 800-63B-4 §3.1.3.3).
    pub phone_speaks_for: Duration,
    /// How long the owner can object before all second factors are removed.
    pub factor_reset_wait: Duration,
    /// Maximum number of change requests per account within [`Self::REQUESTS_WINDOW`].
    pub changes_per_window: u32,
}

impl Default for IdentifierRules {
    fn default() -> Self {
        Self {
            undo_for: Duration::hours(72),
            notice_link_lifetime: Duration::days(7),
            phone_speaks_for: Duration::days(180),
            factor_reset_wait: Duration::hours(72),
            changes_per_window: 5,
        }
    }
}

impl IdentifierRules {
    /// The window over which change requests are added up.
    pub const REQUESTS_WINDOW: Duration = Duration::hours(1);

    /// Whether the account's number was last proven so long ago that it may belong to someone else. Addresses
    /// are not reassigned.
    pub fn is_silent(
        &self,
        method: SignUpMethod,
        proven_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> bool {
        method == SignUpMethod::Phone && now >= proven_at + self.phone_speaks_for
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const PROVEN: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    #[test]
    fn a_number_speaks_for_its_owner_for_so_long_and_not_a_moment_longer() {
        let long = Duration::days(180);
        let is_silent =
            |method, after| IdentifierRules::default().is_silent(method, PROVEN, PROVEN + after);
        assert!(!is_silent(
            SignUpMethod::Phone,
            long - Duration::MICROSECOND
        ));
        assert!(is_silent(SignUpMethod::Phone, long));
        assert!(!is_silent(SignUpMethod::Email, long * 9));
    }
}
