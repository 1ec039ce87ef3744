//! The name of an identity provider in this service.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a provider in settings, routes, stores and labels: 1 to 24 of a–z, 0–9, `_` and `-`, beginning
/// with a letter.
///
/// It is stored with every identity, nonce and flow of the provider. It does not identify people: issuer and
/// subject do ([`super::ExternalIdentity`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderName {
    /// Padded with zero bytes.
    letters: [u8; Self::LONGEST],
}

/// The text is not a valid provider name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a provider must be 1 to 24 of a–z, 0–9, _ and -, and begin with a letter")]
pub struct InvalidProviderName;

impl ProviderName {
    /// Maximum length of a name in bytes.
    pub const LONGEST: usize = 24;
    /// The provider of the routes under `/auth/google`.
    pub const GOOGLE: Self = Self {
        letters: *b"google\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    };

    /// # Errors
    /// [`InvalidProviderName`].
    pub fn parse(text: &str) -> Result<Self, InvalidProviderName> {
        let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        if !begins_well || !text.bytes().all(is_word) {
            return Err(InvalidProviderName);
        }
        let mut letters = [0; Self::LONGEST];
        letters
            .get_mut(..text.len())
            .ok_or(InvalidProviderName)?
            .copy_from_slice(text.as_bytes());
        Ok(Self { letters })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let end = self.letters.iter().position(|letter| *letter == 0);
        let letters = self.letters.get(..end.unwrap_or(Self::LONGEST));
        // Always ASCII, since `parse` checked it.
        std::str::from_utf8(letters.unwrap_or_default()).unwrap_or_default()
    }

    /// Whether this is the provider of the routes under `/auth/google`.
    pub fn is_google(self) -> bool {
        self == Self::GOOGLE
    }
}

impl TryFrom<String> for ProviderName {
    type Error = InvalidProviderName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ProviderName> for String {
    fn from(name: ProviderName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for good in ["google", "a", "entra-id_2", &"x".repeat(24)] {
            assert_eq!(ProviderName::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(ProviderName::parse("google"), Ok(ProviderName::GOOGLE));
        for bad in [
            "",
            "Google",
            "a.b",
            "a b",
            "2nd",
            "_a",
            "é",
            "a/b",
            "a\0",
            &"x".repeat(25),
        ] {
            assert_eq!(
                ProviderName::parse(bad),
                Err(InvalidProviderName),
                "{bad:?}"
            );
        }
    }
}
