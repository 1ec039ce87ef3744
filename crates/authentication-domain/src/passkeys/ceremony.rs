//! A ceremony: the service asks, the device answers, once and soon.

use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::{opaque_token::TokenDigest, sessions::SessionId};

/// What an answer is good for. One begun for one purpose ends no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CeremonyPurpose {
    /// Adds a passkey to the account of a session.
    Enrolment,
    /// Signs in, without anybody having said who they are.
    SignIn,
    /// Completes a sign-in whose first factor was proven.
    SecondFactor,
}

impl CeremonyPurpose {
    /// Every purpose there is.
    pub const ALL: [Self; 3] = [Self::Enrolment, Self::SignIn, Self::SecondFactor];

    /// The name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::SignIn => "sign_in",
            Self::SecondFactor => "second_factor",
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
pub struct PasskeyRules {
    /// How long an answer is waited for. Level 3 §15.1 recommends 5 to 10 minutes, for people who have to
    /// find their phone first.
    pub ceremony_lifetime: Duration,
    /// Passkeys of one account: a phone, a laptop, a key in a drawer, and those of the years before.
    pub most_per_account: u32,
}

impl Default for PasskeyRules {
    fn default() -> Self {
        Self {
            ceremony_lifetime: Self::LONGEST_CEREMONY,
            most_per_account: 20,
        }
    }
}

impl PasskeyRules {
    /// No ceremony counts for longer.
    pub const LONGEST_CEREMONY: Duration = Duration::minutes(5);

    /// Until when a ceremony that begins now can be ended.
    pub fn expiry(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + self.ceremony_lifetime
    }
}

/// Who may end an enrolment: the session that began it, and none beside it, be it of the same account.
pub fn holder_of_session(session: SessionId) -> TokenDigest {
    let mut digest = Sha256::new();
    digest.update(b"passkey enrolment of session ");
    digest.update(session.as_uuid().as_bytes());
    TokenDigest(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Id;
    use uuid::Uuid;

    #[test]
    fn a_purpose_survives_the_store() {
        for purpose in CeremonyPurpose::ALL {
            assert_eq!(CeremonyPurpose::from_name(purpose.as_str()), Some(purpose));
        }
        assert_eq!(CeremonyPurpose::from_name("anything"), None);
    }

    #[test]
    fn an_answer_is_waited_for_five_minutes() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let rules = PasskeyRules::default();
        assert_eq!(rules.expiry(now), now + Duration::minutes(5));
    }

    #[test]
    fn every_session_holds_its_own_enrolment() {
        let session = |number| holder_of_session(Id::from_uuid(Uuid::from_u128(number)));
        assert_eq!(session(1), session(1));
        assert_ne!(session(1), session(2));
    }
}
