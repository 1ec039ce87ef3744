//! The identifier a person typed, in the form that the message with its code carries.

use authentication_domain::accounts::{AccountId, Identifier};
use common::Id;
use uuid::Uuid;
use zeroize::Zeroizing;

/// An identifier that belongs to no account yet, with what its message needs.
pub(crate) struct Typed<'a> {
    pub(crate) identifier: &'a str,
    pub(crate) language: Option<&'a str>,
    /// The signed-in account that requested the code, if any.
    pub(crate) asking: Option<AccountId>,
}

impl Typed<'_> {
    /// One line per part; no part contains a line break. Missing parts at the end have no line.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(self.identifier.to_owned());
        if self.language.is_some() || self.asking.is_some() {
            text.push('\n');
            text.push_str(self.language.unwrap_or_default());
        }
        if let Some(account) = self.asking {
            text.push('\n');
            text.push_str(&account.as_uuid().to_string());
        }
        text
    }
}

/// A parsed [`Typed`].
pub(crate) struct ReadTyped {
    pub(crate) identifier: Identifier,
    pub(crate) language: Option<String>,
    pub(crate) asking: Option<AccountId>,
}

impl ReadTyped {
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let identifier = Identifier::from_stored(lines.next()?).ok()?;
        let language = lines.next().filter(|line| !line.is_empty());
        let asking = match lines.next() {
            Some(line) => Some(Id::from_uuid(Uuid::parse_str(line).ok()?)),
            None => None,
        };
        Some(Self {
            identifier,
            language: language.map(str::to_owned),
            asking,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_comes_back_or_is_missing() {
        let account = Id::from_uuid(Uuid::from_u128(7));
        for language in [None, Some("fr-CA")] {
            for asking in [None, Some(account)] {
                let identifier = "ada@example.com";
                let typed = Typed {
                    identifier,
                    language,
                    asking,
                };
                let read = ReadTyped::of(&typed.to_text()).unwrap();
                assert_eq!(read.identifier.to_text(), identifier);
                assert_eq!(read.language.as_deref(), language);
                assert_eq!(read.asking, asking);
            }
        }
    }

    #[test]
    fn what_is_none_of_it_is_nothing() {
        for text in ["", "ada", "ada@example.com\n\nada"] {
            assert!(ReadTyped::of(text).is_none(), "{text:?}");
        }
    }
}
