//! Opaque tokens: random values that carry no information for their holder.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// A random token as its holder presents it, such as a challenge id or the token of a mailed link.
///
/// At least 128 random bits. The token itself is never stored, only its [`TokenDigest`].
pub struct OpaqueToken(SecretString);

impl OpaqueToken {
    /// Maximum length in bytes. A longer text cannot be a token of this service and is not examined.
    const MAX_LENGTH: usize = 128;

    /// From 128 random bits, as 32 hexadecimal digits.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(format!("{:032x}", u128::from_be_bytes(bytes)).into())
    }

    /// Accepts client input that could be a token: 1 to 128 visible ASCII characters.
    pub fn from_client(text: String) -> Option<Self> {
        let plausible = !text.is_empty()
            && text.len() <= Self::MAX_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        plausible.then(|| Self(text.into()))
    }

    /// The digest that is stored in place of the token.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.0.expose_secret()).into())
    }

    /// The token text, for the response that hands it out.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(…)")
    }
}

/// SHA-256 of an [`OpaqueToken`]. A plain digest is enough: no dictionary covers 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest(pub [u8; 32]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_finds_its_digest_again() {
        let token = OpaqueToken::from_random([7; 16]);
        assert_eq!(token.expose().len(), 32);
        let returned = OpaqueToken::from_client(token.expose().to_owned()).unwrap();
        assert_eq!(returned.digest(), token.digest());
        assert_eq!(format!("{token:?}"), "OpaqueToken(…)");
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_unread() {
        for bad in ["", " ", "a b", "\u{0}", "é"] {
            assert!(
                OpaqueToken::from_client(bad.to_owned()).is_none(),
                "{bad:?}"
            );
        }
        assert!(OpaqueToken::from_client("x".repeat(129)).is_none());
    }
}
