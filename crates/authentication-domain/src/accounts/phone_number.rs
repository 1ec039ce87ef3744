//! Telephone numbers.

use std::fmt;

use crate::{
    profiles::country,
    typed::{MOST_TYPED, meant},
};

/// A number in E.164 form: `+`, country code, subscriber number; 8 to 15 digits in all.
///
/// Typed or pasted with spaces, hyphens, dots or brackets it is the same number. That it exists is proven by the
/// code that reaches it, so numbering plans (which open new ranges every month) are not consulted beyond
/// the country calling code.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a telephone number in international form, such as +2348012345678")]
pub struct InvalidPhone;

impl PhoneNumber {
    /// # Errors
    /// [`InvalidPhone`] unless the text is `+` and 8 to 15 digits with a country calling code that exists.
    pub fn parse(typed: &str) -> Result<Self, InvalidPhone> {
        if typed.len() > MOST_TYPED {
            return Err(InvalidPhone);
        }
        let is_kept = |character: &char| !matches!(character, '.' | '(' | ')');
        let meant: String = meant(typed).filter(is_kept).collect();
        let digits = meant.strip_prefix('+').ok_or(InvalidPhone)?;
        let well_formed =
            (8..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if well_formed && country::is_dial_code_prefix(digits).is_some() {
            Ok(Self(format!("+{digits}")))
        } else {
            Err(InvalidPhone)
        }
    }

    /// The E.164 text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `+23480`: the calling code and the `digits` after it, which many numbers share.
    pub fn range(&self, digits: usize) -> &str {
        let code = country::is_dial_code_prefix(self.0.trim_start_matches('+')).unwrap_or_default();
        self.0.get(..1 + code.len() + digits).unwrap_or(&self.0)
    }

    /// `+234******78`: the calling code and the last two digits.
    pub fn masked(&self) -> String {
        let digits = self.0.trim_start_matches('+');
        let code = country::is_dial_code_prefix(digits).unwrap_or_default();
        let hidden = digits.len().saturating_sub(code.len() + 2);
        let end = digits
            .get(digits.len().saturating_sub(2)..)
            .unwrap_or_default();
        format!("+{code}{}{end}", "*".repeat(hidden))
    }
}

impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneNumber(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_has_one_form_however_it_is_typed() {
        for typed in [
            "+2348012345678",
            "+234 801 234 5678",
            " +234-801-(234).5678 ",
            "\u{202a}+234\u{a0}801\u{a0}234\u{2011}5678\u{202c}",
            "\u{200e}+234 801\r\n234 5678",
            "＋２３４　８０１　２３４　５６７８",
            "(+234) 801 234 5678",
        ] {
            assert_eq!(
                PhoneNumber::parse(typed).unwrap().as_str(),
                "+2348012345678"
            );
        }
    }

    #[test]
    fn what_is_no_international_number_is_refused() {
        for bad in [
            "",
            "+",
            "08012345678",
            "002348012345678",
            "+0801234567",
            "+1234567",
            "+1234567890123456",
            "+1800FLOWERS",
            "+٢٣٤٨٠١٢٣٤٥٦٧٨",
            "+234801\u{0}2345678",
            "++2348012345678",
            "+999123456789",
        ] {
            assert_eq!(PhoneNumber::parse(bad), Err(InvalidPhone), "{bad:?}");
        }
    }

    #[test]
    fn a_masked_number_shows_its_country_and_its_end() {
        assert_eq!(
            PhoneNumber::parse("+2348012345678").unwrap().masked(),
            "+234********78"
        );
    }

    #[test]
    fn a_range_is_the_country_and_what_follows() {
        let number = PhoneNumber::parse("+2348012345678").unwrap();
        assert_eq!(number.range(0), "+234");
        assert_eq!(number.range(2), "+23480");
        assert_eq!(number.range(40), "+2348012345678");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\+?\\PC{0,30}") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                prop_assert_eq!(PhoneNumber::parse(number.as_str()), Ok(number));
            }
        }
    }
}
