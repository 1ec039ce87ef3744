//! The code that a person types.

use std::fmt;

use common::constant_time;
use secrecy::{ExposeSecret, SecretString};

/// Random bytes that name one sending of a code. The code follows from it under a server key, so that
/// neither the store nor the outbox ever holds a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeNonce(pub [u8; 16]);

/// Six decimal digits.
pub struct OneTimeCode(SecretString);

impl OneTimeCode {
    /// How many digits.
    pub const LENGTH: usize = 6;

    /// From pseudo-random bytes. Taking 64 bits modulo a million favours no code by more than 2⁻⁴⁴.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let number = u64::from_be_bytes(bytes) % 1_000_000;
        Self(format!("{number:06}").into())
    }

    /// What a person typed; `None` when it is not six ASCII digits (spaces between them are forgiven).
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 3 * Self::LENGTH {
            return None;
        }
        let digits: String = typed.chars().filter(|it| *it != ' ').collect();
        let well_formed =
            digits.len() == Self::LENGTH && digits.bytes().all(|byte| byte.is_ascii_digit());
        well_formed.then(|| Self(digits.into()))
    }

    /// The digits, for the message that carries them.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same, in time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::is_equal(self.expose().as_bytes(), other.expose().as_bytes())
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        for good in ["000000", "123456", "123 456", " 123456"] {
            assert!(OneTimeCode::parse(good).is_some(), "{good:?}");
        }
        for bad in [
            "",
            "12345",
            "1234567",
            "12345a",
            "１２３４５６",
            "-12345",
            "1e5000",
            "123456\u{0}",
        ] {
            assert!(OneTimeCode::parse(bad).is_none(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_made_code_is_a_code_and_matches_itself_alone(bytes: [u8; 8], other: [u8; 8]) {
            let code = OneTimeCode::from_bytes(bytes);
            prop_assert!(OneTimeCode::parse(code.expose()).unwrap().matches(&code));
            let other = OneTimeCode::from_bytes(other);
            prop_assert_eq!(other.matches(&code), other.expose() == code.expose());
        }
    }
}
