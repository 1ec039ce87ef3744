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

/// What speaks for a person beside a code that was sent to the identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Corroboration {
    /// The request came from a device that the account knows.
    pub known_device: bool,
    /// The account asks for a second factor in any case.
    pub second_factor: bool,
}

impl IdentifierRules {
    /// Over which requests for a change are added up.
    pub const REQUESTS_WINDOW: Duration = Duration::hours(1);

    /// Whether a code that was sent to the identifier is enough, or the number has been silent for so long that
    /// it may be somebody else's by now.
    pub fn code_is_enough(
        &self,
        method: SignUpMethod,
        proven_at: OffsetDateTime,
        beside: Corroboration,
        now: OffsetDateTime,
    ) -> bool {
        let may_be_anothers =
            method == SignUpMethod::Phone && now >= proven_at + self.phone_speaks_for;
        !may_be_anothers || beside.known_device || beside.second_factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const PROVEN: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const ALONE: Corroboration = Corroboration {
        known_device: false,
        second_factor: false,
    };

    fn is_enough(method: SignUpMethod, after: Duration, beside: Corroboration) -> bool {
        IdentifierRules::default().code_is_enough(method, PROVEN, beside, PROVEN + after)
    }

    #[test]
    fn a_number_speaks_for_itself_for_so_long_and_not_a_moment_longer() {
        let long = Duration::days(180);
        let phone = |after| is_enough(SignUpMethod::Phone, after, ALONE);
        assert!(phone(long - Duration::MICROSECOND));
        assert!(!phone(long));
        assert!(
            is_enough(SignUpMethod::Email, long * 9, ALONE),
            "addresses are not handed on"
        );
    }

    #[test]
    fn a_silent_number_opens_with_something_else_beside_it() {
        let long = Duration::days(999);
        let known_device = Corroboration {
            known_device: true,
            ..ALONE
        };
        let second_factor = Corroboration {
            second_factor: true,
            ..ALONE
        };
        for beside in [known_device, second_factor] {
            assert!(is_enough(SignUpMethod::Phone, long, beside));
        }
    }
}
