//! Identifiers: what a person signs in with. Every account has exactly one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{EmailAddress, PhoneNumber};
use crate::profiles::country::Country;

/// An email address or a telephone number.
#[derive(Clone, PartialEq, Eq)]
pub enum Identifier {
    /// An address that receives mail.
    Email(EmailAddress),
    /// A number that receives text messages.
    Phone(PhoneNumber),
}

/// How an account was created: with which kind of identifier, or through a provider (`auth_method` of the
/// HTTP contract). An account created through a provider has the address that the provider vouched for as its
/// identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignUpMethod {
    /// An email address.
    Email,
    /// A telephone number.
    Phone,
    /// An email address that Google vouched for, and no password.
    Google,
    /// An email address that another provider vouched for, and no password.
    Provider,
}

/// The text is neither an email address nor a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a valid email address or phone number; write a number in international format, or give its country"
)]
pub struct InvalidIdentifier;

impl Identifier {
    /// Parses either kind; an `@` decides which.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] when the text is neither.
    pub fn parse(typed: &str) -> Result<Self, InvalidIdentifier> {
        Self::parse_in(typed, None)
    }

    /// Parses either kind. A number may also be in the national format of `country`.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] when the text is neither.
    pub fn parse_in(typed: &str, country: Option<&Country>) -> Result<Self, InvalidIdentifier> {
        if typed.contains(['@', '＠']) {
            EmailAddress::parse(typed)
                .map(Self::Email)
                .map_err(|_| InvalidIdentifier)
        } else {
            PhoneNumber::parse_in(typed, country)
                .map(Self::Phone)
                .map_err(|_| InvalidIdentifier)
        }
    }

    /// Parses the stored output of [`Self::to_text`]. A number is taken unchanged
    /// ([`PhoneNumber::from_stored`]).
    ///
    /// # Errors
    /// [`InvalidIdentifier`] when the text is neither.
    pub fn from_stored(text: &str) -> Result<Self, InvalidIdentifier> {
        if text.contains('@') {
            return Self::parse(text);
        }
        PhoneNumber::from_stored(text)
            .map(Self::Phone)
            .map_err(|_| InvalidIdentifier)
    }

    /// The text that is stored, encrypted, and to which messages are sent.
    pub fn to_text(&self) -> String {
        match self {
            Self::Email(address) => address.to_text(),
            Self::Phone(number) => number.as_str().to_owned(),
        }
    }

    /// The text whose keyed digest is unique. It includes the kind, so that kinds cannot collide.
    pub fn index_form(&self) -> String {
        match self {
            Self::Email(address) => format!("email:{}", address.index_form()),
            Self::Phone(number) => format!("phone:{}", number.as_str()),
        }
    }

    /// A masked form for responses and screens that only the owner recognises.
    pub fn masked(&self) -> String {
        match self {
            Self::Email(address) => address.masked(),
            Self::Phone(number) => number.masked(),
        }
    }

    /// The kind of this identifier.
    pub const fn method(&self) -> SignUpMethod {
        match self {
            Self::Email(_) => SignUpMethod::Email,
            Self::Phone(_) => SignUpMethod::Phone,
        }
    }

    /// Texts that a password of this person must not be built from.
    pub fn password_context(&self) -> Vec<String> {
        match self {
            Self::Email(address) => vec![address.local_part().to_lowercase(), address.index_form()],
            Self::Phone(number) => vec![number.as_str().trim_start_matches('+').to_owned()],
        }
    }
}

impl SignUpMethod {
    /// The name used in stores and responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Google => "google",
            Self::Provider => "provider",
        }
    }

    /// Whether a provider vouched for the address, to which this service has not sent anything.
    pub const fn is_by_provider(self) -> bool {
        matches!(self, Self::Google | Self::Provider)
    }

    /// Parses a name read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Email, Self::Phone, Self::Google, Self::Provider]
            .into_iter()
            .find(|method| method.as_str() == name)
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(_) => f.write_str("Identifier::Email(…)"),
            Self::Phone(_) => f.write_str("Identifier::Phone(…)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_kind_is_told_by_its_form() {
        assert!(matches!(
            Identifier::parse("ada@example.com"),
            Ok(Identifier::Email(_))
        ));
        assert!(matches!(
            Identifier::parse("+2348012345678"),
            Ok(Identifier::Phone(_))
        ));
        for bad in ["ada", "08012345678", "ada@", ""] {
            assert_eq!(Identifier::parse(bad), Err(InvalidIdentifier), "{bad:?}");
        }
    }

    #[test]
    fn nothing_personal_in_debug_output() {
        let shown = format!("{:?}", Identifier::parse("ada@example.com"));
        assert!(!shown.contains("ada"), "{shown}");
    }
}
