//! The rules that make six-digit codes safe.
//!
//! NIST SP 800-63B-4 §3.1.3, OWASP ASVS 5.0 V6.5 and V6.6: codes are short-lived and single-use, only the
//! newest is valid, each is bound to a purpose and a recipient, and the few allowed guesses are not renewed
//! by a resend or a new flow.

use common::clock;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// The purpose of a code. A code for one purpose is not valid for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Verifies the identifier of a new account.
    Registration,
    /// Signs in without a password.
    SignIn,
    /// Sets a new password.
    PasswordReset,
    /// Completes a sign-in that began with a different factor.
    SecondFactor,
    /// Verifies the new identifier of an account that is changing it.
    IdentifierChange,
}

impl Purpose {
    /// Every purpose there is.
    pub const ALL: [Self; 5] = [
        Self::Registration,
        Self::SignIn,
        Self::PasswordReset,
        Self::SecondFactor,
        Self::IdentifierChange,
    ];

    /// The name used in stores and in the derivation of codes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::SignIn => "sign_in",
            Self::PasswordReset => "password_reset",
            Self::SecondFactor => "second_factor",
            Self::IdentifierChange => "identifier_change",
        }
    }

    /// Parses a name read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == name)
    }
}

/// The limits for codes and challenges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChallengeRules {
    /// TTL of a code after it is sent.
    pub code_lifetime: Duration,
    /// TTL of a mailed link (ASVS 6.5.5 allows no more than the code; NIST 24 h by mail).
    pub link_lifetime: Duration,
    /// Minimum time between two messages for one purpose to one recipient.
    pub resend_after: Duration,
    /// How long a challenge can be resent before it has to be started again.
    pub challenge_lifetime: Duration,
    /// Maximum guesses per challenge, across resends.
    pub tries_per_challenge: u32,
    /// Maximum guesses on all challenges of one person and purpose within [`Self::TRIES_WINDOW`].
    pub tries_per_window: u32,
    /// Consecutive wrong guesses at six-digit codes, for one person and purpose, over any time (NIST SP
    /// 800-63B-4 §3.2.2). After that, codes are long, and wrong guesses at those do not add to this count.
    pub most_failures_in_a_row: u32,
    /// Maximum messages to one recipient per hour.
    pub messages_per_hour: u32,
    /// Maximum messages to one recipient per day.
    pub messages_per_day: u32,
}

impl Default for ChallengeRules {
    fn default() -> Self {
        Self {
            code_lifetime: Duration::minutes(10),
            link_lifetime: Duration::minutes(30),
            resend_after: Duration::seconds(60),
            challenge_lifetime: Duration::hours(1),
            tries_per_challenge: 5,
            tries_per_window: 15,
            most_failures_in_a_row: 100,
            messages_per_hour: 5,
            messages_per_day: 10,
        }
    }
}

impl ChallengeRules {
    /// The window over which guesses are added up.
    pub const TRIES_WINDOW: Duration = Duration::hours(1);

    /// Whether a code sent at `sent_at` is still valid. A time further in the future than [`clock::SKEW`] is
    /// not.
    pub fn code_counts(&self, sent_at: OffsetDateTime, now: OffsetDateTime) -> bool {
        clock::is_within(sent_at, self.code_lifetime, now)
    }

    /// Whether a link mailed at `sent_at` is still valid. A time further in the future than [`clock::SKEW`]
    /// is not.
    pub fn link_counts(&self, sent_at: OffsetDateTime, now: OffsetDateTime) -> bool {
        clock::is_within(sent_at, self.link_lifetime, now)
    }

    /// The latest time of an earlier message that allows another one at `now`.
    pub fn resend_cutoff(&self, now: OffsetDateTime) -> OffsetDateTime {
        now - self.resend_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_code_counts_for_ten_minutes_and_not_a_moment_longer() {
        let rules = ChallengeRules::default();
        let sent = datetime!(2026-01-01 00:00 UTC);
        assert!(rules.code_counts(sent, sent + Duration::minutes(10) - Duration::MICROSECOND));
        assert!(!rules.code_counts(sent, sent + Duration::minutes(10)));
        for ahead in [Duration::seconds(61), Duration::hours(1), Duration::days(1)] {
            assert!(!rules.code_counts(sent + ahead, sent), "sent in the future");
            assert!(!rules.link_counts(sent + ahead, sent), "sent in the future");
        }
    }

    #[test]
    fn a_purpose_survives_the_store() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_name(purpose.as_str()), Some(purpose));
        }
    }
}
