//! What a person typed, as the message with its code needs it.

use authentication_domain::accounts::{AccountId, Identifier};
use common::Id;
use uuid::Uuid;
use zeroize::Zeroizing;

/// An identifier that is nobody's yet, with whom its message goes out for.
pub(crate) struct Typed<'a> {
    pub(crate) identifier: &'a str,
    pub(crate) language: Option<&'a str>,
    /// Whoever is signed in, and asked.
    pub(crate) asking: Option<AccountId>,
}

impl Typed<'_> {
    /// In lines: none of the parts has a line break in it. What is missing at the end has no line.
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

/// [`Typed`], read again.
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
