//! WebAuthn ceremonies: one challenge from the service, one answer from the device, within a short time.

use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::{opaque_token::TokenDigest, sessions::SessionId};

/// What an answer may be used for. A ceremony can only be completed for the purpose it was begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CeremonyPurpose {
    /// Adds a passkey to the account of a session.
    Enrolment,
    /// Signs in without an identifier having been entered.
    SignIn,
    /// Completes a sign-in whose first factor is proven.
    SecondFactor,
}

impl CeremonyPurpose {
    /// Every purpose there is.
    pub const ALL: [Self; 3] = [Self::Enrolment, Self::SignIn, Self::SecondFactor];

    /// The name used in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::SignIn => "sign_in",
            Self::SecondFactor => "second_factor",
        }
    }

    /// Parses a name read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|purpose| purpose.as_str() == name)
    }
}

/// Limits for passkeys and their ceremonies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasskeyRules {
    /// TTL of a ceremony. WebAuthn Level 3 §15.1 recommends 5 to 10 minutes, for people who have to find
    /// their phone first.
    pub ceremony_lifetime: Duration,
    /// Maximum number of passkeys per account: room for a phone, a laptop, a security key kept as a spare,
    /// and older ones.
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
    /// Upper bound for the lifetime of a ceremony.
    pub const LONGEST_CEREMONY: Duration = Duration::minutes(5);

    /// When a ceremony that begins now expires.
    pub fn expiry(&self, now: OffsetDateTime) -> OffsetDateTime {
        now + self.ceremony_lifetime
    }
}

/// The holder of an enrolment: only the session that began it may complete it, not another session of the
/// same account.
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
