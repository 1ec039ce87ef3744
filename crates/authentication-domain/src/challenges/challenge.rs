//! The rules that make six digits safe.
//!
//! NIST SP 800-63B-4 §3.1.3, OWASP ASVS 5.0 V6.5 and V6.6: short-lived, once, only the newest, bound to
//! a purpose and a recipient, and few guesses that neither a resend nor a new flow renews.

use common::clock;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

/// What a code is good for. A code for one purpose opens no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Proves the identifier of a new account.
    Registration,
    /// Signs in without a password.
    SignIn,
    /// Sets a new password.
    PasswordReset,
    /// Completes a sign-in whose first factor was something else.
    SecondFactor,
    /// Proves the identifier that an account is to have in the place of its own.
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

    /// The name in stores and in what a code is derived from.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::SignIn => "sign_in",
            Self::PasswordReset => "password_reset",
            Self::SecondFactor => "second_factor",
            Self::IdentifierChange => "identifier_change",
        }
    }

    /// As read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == name)
    }
}

/// The numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChallengeRules {
    /// How long a code counts after it was sent.
    pub code_lifetime: Duration,
    /// How long a mailed link counts (ASVS 6.5.5 allows no more than the code; NIST 24 h by mail).
    pub link_lifetime: Duration,
    /// Least time between two messages for one purpose to one recipient.
    pub resend_after: Duration,
    /// How long a challenge can be resent before it has to be begun anew.
    pub challenge_lifetime: Duration,
    /// Guesses on one challenge, whatever is resent.
    pub tries_per_challenge: u32,
    /// Guesses on all challenges of one person and purpose within [`Self::TRIES_WINDOW`].
    pub tries_per_window: u32,
    /// Wrong guesses in a row of six digits, for one person and purpose, over any time (NIST SP 800-63B-4
    /// §3.2.2). From there on codes are long, and what is guessed at those is not counted in a row.
    pub most_failures_in_a_row: u32,
    /// Messages to one recipient an hour.
    pub messages_per_hour: u32,
    /// Messages to one recipient a day.
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
    /// Over which guesses are added up.
    pub const TRIES_WINDOW: Duration = Duration::hours(1);

    /// Whether a code sent at `sent_at` still counts. One that was sent in the future does not.
    pub fn code_counts(&self, sent_at: OffsetDateTime, now: OffsetDateTime) -> bool {
        clock::is_within(sent_at, self.code_lifetime, now)
    }

    /// Whether a link mailed at `sent_at` still counts. One that was mailed in the future does not.
    pub fn link_counts(&self, sent_at: OffsetDateTime, now: OffsetDateTime) -> bool {
        clock::is_within(sent_at, self.link_lifetime, now)
    }

    /// The latest time of an earlier message that lets another one go out at `now`.
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
