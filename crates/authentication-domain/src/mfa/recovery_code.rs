//! Recovery codes, for people who lost their other factor.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::{
    accounts::AccountId,
    typed::{MOST_TYPED, meant},
};

/// Crockford's base 32 alphabet, which omits characters that are easily confused on paper.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A recovery code as its owner sees it: 120 random bits, `XXXX-XXXX-XXXX-XXXX-XXXX-XXXX`.
///
/// Shown once. A look-up secret of 112 bits or more may be stored as a plain digest (NIST SP 800-63B-4
/// §3.1.2.2, OWASP ASVS 5.0 V6.5.2), because an exhaustive search is infeasible.
pub struct RecoveryCode(SecretString);

/// The stored form of a recovery code: SHA-256 over the account and the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecoveryCodeDigest(pub [u8; 32]);

impl RecoveryCode {
    /// When this many codes are left, the owner is notified.
    pub const FEW: u32 = 3;
    /// Number of codes in a set.
    pub const COUNT: usize = 10;
    /// Number of significant characters.
    const LENGTH: usize = 24;

    /// From 120 random bits.
    pub fn from_random(bytes: [u8; 15]) -> Self {
        let mut text = String::with_capacity(Self::LENGTH + 5);
        for five in bytes.chunks_exact(5) {
            let bits = five
                .iter()
                .fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                if text.len() % 5 == 4 {
                    text.push('-');
                }
                let index = usize::try_from(bits >> (5 * place) & 31).unwrap_or_default();
                text.push(ALPHABET.get(index).copied().map_or('0', char::from));
            }
        }
        Self(text.into())
    }

    /// Parses typed or pasted input; `None` when it cannot be a recovery code. Case is ignored, and letters
    /// that Crockford's alphabet omits are read as the digits that they look like.
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > MOST_TYPED {
            return None;
        }
        let mut text = String::with_capacity(Self::LENGTH + 5);
        for character in meant(typed) {
            let read = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            if !read.is_ascii() || !ALPHABET.contains(&(read as u8)) {
                return None;
            }
            if text.len() % 5 == 4 {
                text.push('-');
            }
            text.push(read);
        }
        (text.len() == Self::LENGTH + 5).then(|| Self(text.into()))
    }

    /// The digest that is stored for this account.
    pub fn digest(&self, account: AccountId) -> RecoveryCodeDigest {
        let digest = Sha256::new()
            .chain_update(b"fashionistar-auth recovery code")
            .chain_update(account.as_uuid().as_bytes())
            .chain_update(self.0.expose_secret());
        RecoveryCodeDigest(digest.finalize().into())
    }

    /// The code, for the response that shows it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Id;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn account(number: u128) -> AccountId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = RecoveryCode::from_random([0xff; 15]);
        assert_eq!(code.expose(), "ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        let code = RecoveryCode::from_random([0; 15]);
        let digest = code.digest(account(1));
        for typed in [
            "0000-0000-0000-0000-0000-0000",
            "oooooooooooooooooooooooo",
            " 0000 0000 0000 0000 0000 0000 ",
            "0000\u{2011}0000\u{a0}0000\u{2013}0000\r\n0000 0000\u{202c}",
            "００００００００００００００００００００００００",
        ] {
            let read = RecoveryCode::parse(typed).unwrap();
            assert_eq!(read.digest(account(1)), digest, "{typed}");
        }
        assert_ne!(code.digest(account(2)), digest, "it is one account's");
        for bad in [
            "",
            "0000",
            "U000-0000-0000-0000-0000-0000",
            "é".repeat(24).as_str(),
        ] {
            assert!(RecoveryCode::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(format!("{code:?}"), "RecoveryCode(…)");
    }

    proptest! {
        #[test]
        fn a_made_code_is_read_back(bytes: [u8; 15], other: [u8; 15]) {
            let code = RecoveryCode::from_random(bytes);
            let lower = code.expose().to_lowercase();
            let read = RecoveryCode::parse(&lower).unwrap();
            prop_assert_eq!(read.expose(), code.expose());
            let other = RecoveryCode::from_random(other).digest(account(1));
            prop_assert_eq!(other == code.digest(account(1)), read.digest(account(1)) == other);
        }

        #[test]
        fn nothing_that_is_typed_makes_it_fall_over(typed in "\\PC*") {
            let _ = RecoveryCode::parse(&typed);
        }
    }
}
