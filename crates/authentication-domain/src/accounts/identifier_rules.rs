//! How long what was said about an identifier can be taken back, and how long a number speaks for itself.

use time::{Duration, OffsetDateTime};

use super::SignUpMethod;

/// The numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentifierRules {
    /// How long after a change whoever had the identifier before can take it back. Nobody else can have that
    /// identifier meanwhile.
    pub undo_for: Duration,
    /// How long the link of a notice counts, with which its owner says "this was not me".
    pub notice_link_lifetime: Duration,
    /// How long after a number was last proven a text message to it alone opens the account. Numbers are given
    /// to other people when nobody uses them (NIST SP 800-63B-4 §3.1.3.3).
    pub phone_speaks_for: Duration,
    /// How long the owner of an account has to say that they lost no factor, before all are taken off.
    pub factor_reset_wait: Duration,
    /// Changes that one account may ask for within [`Self::REQUESTS_WINDOW`].
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
    /// Over which requests for a change are added up.
    pub const REQUESTS_WINDOW: Duration = Duration::hours(1);

    /// Whether the account's number has been silent for so long that it may be somebody else's by now. Addresses
    /// are not handed on.
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
