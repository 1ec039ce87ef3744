//! The personal data of an account, stored as one document encrypted under the person's key.

use std::fmt;

use common::money::Currency;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use super::country;

/// A name: one line of text that other people read.
///
/// 1 to 80 characters, NFC, trimmed. No control characters, and none that reorder or hide text (bidi
/// overrides, zero-width), which would let one name look like another.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DisplayName(String);

/// The text cannot be shown as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Empty after trimming.
    #[error("can't be empty")]
    Empty,
    /// More than [`DisplayName::MAX_LENGTH`] characters.
    #[error("use at most {} characters", DisplayName::MAX_LENGTH)]
    TooLong,
    /// Contains control, bidi override or zero-width characters.
    #[error("contains characters that can't be displayed")]
    Unprintable,
    /// No country has this code.
    #[error("unknown country; use an ISO 3166-1 alpha-2 code")]
    UnknownCountry,
    /// Not a language tag.
    #[error("not a valid language tag; use one such as `en` or `fr-CI`")]
    MalformedLanguage,
}

impl InvalidText {
    /// The stable code in `errors[]`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Unprintable => "unprintable_characters",
            Self::UnknownCountry => "unknown_country",
            Self::MalformedLanguage => "malformed_language",
        }
    }
}

impl DisplayName {
    /// Upper bound in Unicode code points.
    pub const MAX_LENGTH: usize = 80;
    /// Combining marks that may follow one another. A hundred of them would paint over neighbouring text.
    const MOST_MARKS_IN_A_ROW: usize = 4;

    /// # Errors
    /// [`InvalidText`] when the text cannot be displayed as a name.
    pub fn parse(typed: &str) -> Result<Self, InvalidText> {
        if typed.len() > Self::MAX_LENGTH * 16 {
            return Err(InvalidText::TooLong);
        }
        let text: String = typed.trim().nfc().collect();
        if text.is_empty() {
            return Err(InvalidText::Empty);
        }
        if text.chars().count() > Self::MAX_LENGTH {
            return Err(InvalidText::TooLong);
        }
        let mut marks = 0;
        // Tag characters can spell hidden text, so they are accepted only in these flags.
        let without_flags = FLAGS
            .iter()
            .fold(text.clone(), |text, flag| text.replace(flag, " "));
        for character in without_flags.chars() {
            let is_mark = unicode_normalization::char::is_combining_mark(character);
            marks = if is_mark { marks + 1 } else { 0 };
            if !is_printable(character) || marks > Self::MOST_MARKS_IN_A_ROW {
                return Err(InvalidText::Unprintable);
            }
        }
        Ok(Self(text))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(…)")
    }
}

/// The flags of England, Scotland and Wales: a black flag followed by the region's letters as tag characters
/// (Unicode TS #51, ED-14a). No others are in general use.
const FLAGS: [&str; 3] = [
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
    "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
];

/// Zero-width joiners are allowed: Indic scripts and emoji need them.
fn is_printable(character: char) -> bool {
    !character.is_control()
        && !matches!(character,
            '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{ad}' | '\u{61c}')
}

/// All personal data that a person entered. A field is absent if the person never entered it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Profile {
    /// The name shown to other people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<DisplayName>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_name: Option<DisplayName>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_name: Option<DisplayName>,
    /// ISO 3166-1 alpha-2, upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// BCP 47 language tag, used for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile(…)")
    }
}

impl Profile {
    /// The currency of the person's country, or naira, the marketplace's own, if no country is set.
    pub fn currency(&self) -> Currency {
        self.country
            .as_deref()
            .and_then(country::find)
            .and_then(|country| country.currency)
            .and_then(|code| code.parse().ok())
            .unwrap_or(Currency::NGN)
    }

    /// Parses a country code into its stored form, ISO 3166-1 alpha-2 in upper case.
    ///
    /// # Errors
    /// [`InvalidText::UnknownCountry`].
    pub fn parse_country(typed: &str) -> Result<String, InvalidText> {
        country::find(typed)
            .map(|country| country.alpha2.to_owned())
            .ok_or(InvalidText::UnknownCountry)
    }

    /// Parses a language tag: letters, then groups of letters and digits (the part of BCP 47 that matters
    /// here). Java and POSIX separate the groups with `_`; the tag is stored with hyphens.
    ///
    /// # Errors
    /// [`InvalidText::MalformedLanguage`].
    pub fn parse_language(typed: &str) -> Result<String, InvalidText> {
        let tag = typed.replace('_', "-");
        let mut subtags = tag.split('-');
        let primary = subtags.next().unwrap_or_default();
        let well_formed = typed.len() <= 35
            && (2..=3).contains(&primary.len())
            && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
            && subtags.all(|subtag| {
                (1..=8).contains(&subtag.len())
                    && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
            });
        if well_formed {
            Ok(tag)
        } else {
            Err(InvalidText::MalformedLanguage)
        }
    }
}

/// A change to a profile, as a merge patch (RFC 7396): `None` keeps a field, `Some(None)` removes it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ProfileChange {
    /// See [`Profile::display_name`].
    pub display_name: Option<Option<DisplayName>>,
    /// See [`Profile::first_name`].
    pub first_name: Option<Option<DisplayName>>,
    /// See [`Profile::last_name`].
    pub last_name: Option<Option<DisplayName>>,
    /// See [`Profile::country`].
    pub country: Option<Option<String>>,
    /// See [`Profile::language`].
    pub language: Option<Option<String>>,
}

impl ProfileChange {
    /// Returns the profile with the change applied.
    pub fn apply_to(self, before: &Profile) -> Profile {
        Profile {
            display_name: self
                .display_name
                .unwrap_or_else(|| before.display_name.clone()),
            first_name: self.first_name.unwrap_or_else(|| before.first_name.clone()),
            last_name: self.last_name.unwrap_or_else(|| before.last_name.clone()),
            country: self.country.unwrap_or_else(|| before.country.clone()),
            language: self.language.unwrap_or_else(|| before.language.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_taken_as_they_are() {
        for name in [
            "Ada",
            "Chinwe Okonkwo",
            "علي",
            "王小明",
            "O'Brien-Smith",
            "\"><img onerror>",
            "{{x}}",
            "👩‍💻",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f} Ada 🏴",
        ] {
            assert_eq!(
                DisplayName::parse(name).map(|it| it.as_str().to_owned()),
                Ok(name.to_owned())
            );
        }
    }

    #[test]
    fn what_hides_or_reorders_text_is_refused() {
        for bad in [
            "a\u{0}b",
            "a\r\nb",
            "a\u{202e}b",
            "a\u{200b}b",
            "\u{feff}",
            "a\u{85}b",
            "\u{1b}[31m",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}",
            "a\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        ] {
            assert_eq!(
                DisplayName::parse(bad),
                Err(InvalidText::Unprintable),
                "{bad:?}"
            );
        }
        assert_eq!(
            DisplayName::parse(&format!("a{}", "\u{327}".repeat(60))),
            Err(InvalidText::Unprintable)
        );
        assert_eq!(DisplayName::parse("  "), Err(InvalidText::Empty));
        assert_eq!(
            DisplayName::parse(&"a".repeat(81)),
            Err(InvalidText::TooLong)
        );
        assert_eq!(
            DisplayName::parse(&"a".repeat(1_000_000)),
            Err(InvalidText::TooLong)
        );
    }

    #[test]
    fn a_change_touches_what_it_names_and_nothing_else() {
        let before = Profile {
            display_name: DisplayName::parse("Ada").ok(),
            country: Some("NG".to_owned()),
            ..Profile::default()
        };
        let change = ProfileChange {
            country: Some(None),
            language: Some(Some("fr".to_owned())),
            ..ProfileChange::default()
        };
        let after = change.apply_to(&before);
        assert_eq!(
            (after.display_name, after.country),
            (before.display_name, None)
        );
        assert_eq!(after.language.as_deref(), Some("fr"));
    }

    #[test]
    fn languages_and_countries_are_checked() {
        assert_eq!(Profile::parse_country("ng"), Ok("NG".to_owned()));
        assert_eq!(
            Profile::parse_country("XX"),
            Err(InvalidText::UnknownCountry)
        );
        let profile = |country: Option<&str>| Profile {
            country: country.map(str::to_owned),
            ..Profile::default()
        };
        assert_eq!(profile(Some("GH")).currency().as_str(), "GHS");
        assert_eq!(profile(None).currency(), Currency::NGN);
        for typed in ["fr-CI", "fr_CI"] {
            assert_eq!(Profile::parse_language(typed), Ok("fr-CI".to_owned()));
        }
        for bad in ["", "e", "en__US", "en-", "123", &"en-".repeat(40)] {
            assert_eq!(
                Profile::parse_language(bad),
                Err(InvalidText::MalformedLanguage),
                "{bad:?}"
            );
        }
    }
}
