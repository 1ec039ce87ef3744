//! Telephone numbers.

use std::{fmt, ops::RangeInclusive};

use super::numbering_plan;
use crate::{
    profiles::country::{self, Country},
    typed::{MOST_TYPED, meant},
};

/// How many digits are looked at: those of the shortest numbers that are dialled within a small country, and those of
/// E.164 with an international and a national prefix.
const MOST_DIALLED: RangeInclusive<usize> = 4..=24;

/// A number in E.164 form: `+`, country code, subscriber number; 15 digits at the most.
///
/// However it is written it is the same number: with spaces, hyphens, dots, slashes or brackets, with the national
/// prefix that is dialled within the country (`+44 (0)7911 123456`), or as it is dialled there, where the country is
/// known. Of its country's numbering plan the lengths count and the ranges do not, since plans open new ones every
/// month: that it exists is proven by the code that reaches it (ADR 0048).
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a valid phone number; write it in international format, such as +2348012345678, or give its country"
)]
pub struct InvalidPhone;

impl PhoneNumber {
    /// Reads a number in international form.
    ///
    /// # Errors
    /// [`InvalidPhone`] unless it begins with `+` and a country calling code that exists, and is as long as a number
    /// of that country can be.
    pub fn parse(typed: &str) -> Result<Self, InvalidPhone> {
        Self::parse_in(typed, None)
    }

    /// Reads a number in international form, or as it is dialled in a country.
    ///
    /// # Errors
    /// [`InvalidPhone`] if it is neither, or not as long as a number of its country can be.
    pub fn parse_in(typed: &str, country: Option<&Country>) -> Result<Self, InvalidPhone> {
        if typed.len() > MOST_TYPED {
            return Err(InvalidPhone);
        }
        let is_kept = |character: &char| !matches!(character, '.' | '/' | '(' | ')' | '[' | ']');
        let meant: String = meant(typed).filter(is_kept).collect();
        let digits = meant.strip_prefix('+').unwrap_or(&meant);
        let is_dialled = MOST_DIALLED.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        let read = is_dialled.then(|| numbering_plan::e164(&meant, country));
        // Networks of satellites, freephone and premium numbers have calling codes, too; no country has them.
        read.flatten()
            .filter(|read| country::is_dial_code_prefix(read.trim_start_matches('+')).is_some())
            .map(Self)
            .ok_or(InvalidPhone)
    }

    /// A number as [`Self::as_str`] gave it, whatever the plans make of it by now: they change, and what was stored is
    /// somebody's all the same.
    ///
    /// # Errors
    /// [`InvalidPhone`] unless it is `+` and digits.
    pub fn from_stored(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone)?;
        let is_stored = MOST_DIALLED.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && country::is_dial_code_prefix(digits).is_some();
        is_stored.then(|| Self(text.to_owned())).ok_or(InvalidPhone)
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
    use rlibphonenumber::{PHONE_NUMBER_UTIL as PLANS, PhoneNumberFormat, PhoneNumberType};

    fn read(typed: &str, alpha2: &str) -> Option<String> {
        let number = PhoneNumber::parse_in(typed, country::find(alpha2)).ok()?;
        Some(number.as_str().to_owned())
    }

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
            "+234 0801 234 5678",
            "+234 (0) 801/234-5678",
            "+234 [0]801 234 5678",
        ] {
            assert_eq!(
                read(typed, "").as_deref(),
                Some("+2348012345678"),
                "{typed}"
            );
        }
        for dialled in [
            "0801 234 5678",
            "801 234 5678",
            "009 234 801 234 5678",
            "234 801 234 5678",
        ] {
            assert_eq!(
                read(dialled, "NG").as_deref(),
                Some("+2348012345678"),
                "{dialled}"
            );
        }
    }

    #[test]
    fn a_national_prefix_goes_and_a_zero_that_is_dialled_stays() {
        for (typed, alpha2, expected) in [
            ("+44 (0)7911 123456", "", "+447911123456"),
            ("07911 123456", "GB", "+447911123456"),
            ("0011 44 7911 123456", "AU", "+447911123456"),
            // Italy dials its zeros from everywhere.
            ("+39 06 1234 5678", "", "+390612345678"),
            ("06 1234 5678", "IT", "+390612345678"),
            ("+39 347 123 4567", "", "+393471234567"),
            // So do Gabon and Côte d'Ivoire.
            ("+225 01 23 45 67 89", "", "+2250123456789"),
            // A trunk prefix of more than one digit, and one that is 8.
            ("+36 06 20 123 4567", "", "+36201234567"),
            ("8 912 345-67-89", "RU", "+79123456789"),
            // A number that begins as its trunk prefix does.
            ("+7 800 555 35 35", "", "+78005553535"),
            // The plan of Colombia takes this zero for a digit.
            ("+57 0 321 123 4567", "", "+573211234567"),
            // No plus, and no number of Ghana begins so.
            ("233 24 123 4567", "GH", "+233241234567"),
            // A territory whose numbers are another one's.
            ("021 123 4567", "PN", "+64211234567"),
            // The country beside it counts only where the number does not say its own.
            ("+44 7911 123456", "NG", "+447911123456"),
        ] {
            assert_eq!(
                read(typed, alpha2).as_deref(),
                Some(expected),
                "{typed} {alpha2}"
            );
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (bad, alpha2) in [
            ("", ""),
            ("+", ""),
            ("08012345678", ""),
            ("002348012345678", ""),
            ("+0801234567", ""),
            ("+1234567", ""),
            ("+1234567890123456", ""),
            ("+1800FLOWERS", ""),
            ("+٢٣٤٨٠١٢٣٤٥٦٧٨", ""),
            ("+234801\u{0}2345678", ""),
            ("++2348012345678", ""),
            ("+999123456789", ""),
            // Too short and too long for the plan.
            ("+234 801 234 567", ""),
            ("+44 7911 1234", ""),
            ("+33 6 12 34 56 78 9", ""),
            ("0801 234", "NG"),
            // A number of East Frisia without its trunk zero, or a mobile one without its plus.
            ("49 1512 3456789", "DE"),
            // Of no country: freephone, satellite, premium.
            ("+800 1234 5678", ""),
            ("+870 773 123 456", ""),
            ("+979 1234 56789", ""),
        ] {
            assert_eq!(read(bad, alpha2), None, "{bad:?}");
        }
    }

    #[test]
    fn what_was_stored_stands_as_it_is() {
        for text in [
            "+2348012345678",
            "+23408012345678",
            "+5215512345678",
            "+6834002",
        ] {
            assert_eq!(PhoneNumber::from_stored(text).unwrap().as_str(), text);
        }
        for bad in [
            "",
            "2348012345678",
            "+234 8012345678",
            "+999123456789",
            "+١٢٣٤٥",
        ] {
            assert_eq!(PhoneNumber::from_stored(bad), Err(InvalidPhone));
        }
    }

    /// Every country of the plans, and every kind of number that is somebody's, in every written form.
    #[test]
    fn every_countrys_examples_are_one_number_in_every_form() {
        let mut examples = 0;
        for region in PLANS.get_supported_regions() {
            let alpha2 = region.to_string();
            let alpha2 = alpha2.as_str();
            for kind in [PhoneNumberType::Mobile, PhoneNumberType::FixedLine] {
                let Ok(example) = PLANS.get_example_number_for_type_and_region(region, kind) else {
                    continue;
                };
                examples += 1;
                let expected = PLANS.format(&example, PhoneNumberFormat::E164).into_owned();
                let code = example.country_code;
                let national = expected.trim_start_matches(&format!("+{code}")).to_owned();
                let written = |format| PLANS.format(&example, format).into_owned();
                let dialled = written(PhoneNumberFormat::National);
                let is_digit = |it: &char| it.is_ascii_digit();
                let digits: String = dialled.chars().filter(is_digit).collect();
                let trunk = digits.strip_suffix(&national).unwrap_or_default();
                for (typed, within) in [
                    (expected.clone(), ""),
                    (expected.clone(), alpha2),
                    (written(PhoneNumberFormat::International), ""),
                    (
                        format!("\u{202a}{}\u{202c}\r\n", expected.replace('+', "＋")),
                        "",
                    ),
                    (format!("(+{code}) ({trunk}){national}"), ""),
                    (format!("+{code} {trunk}{national}"), alpha2),
                    (dialled.clone(), alpha2),
                    (national.clone(), alpha2),
                ] {
                    // A territory that is no country of ours is dialled from abroad.
                    if !within.is_empty() && country::find(within).is_none() {
                        continue;
                    }
                    let found = read(&typed, within);
                    assert_eq!(
                        found.as_deref(),
                        Some(expected.as_str()),
                        "{typed:?} in {alpha2}"
                    );
                }
                // Without its plus it may be read in two ways, and is never another number.
                let found = read(&format!("{code}{national}"), alpha2);
                assert!(found.is_none_or(|found| found == expected), "{expected}");
            }
        }
        assert!(examples > 450, "{examples}");
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

    /// What is in E.164 form is read as itself, in whatever country.
    fn is_settled(number: &PhoneNumber, alpha2: &str) {
        assert_eq!(
            PhoneNumber::from_stored(number.as_str()).as_ref(),
            Ok(number)
        );
        assert_eq!(
            read(number.as_str(), alpha2).as_deref(),
            Some(number.as_str())
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\+?\\PC{0,30}") {
            if let Ok(number) = PhoneNumber::parse(&text) {
                is_settled(&number, "");
            }
        }

        #[test]
        fn whatever_is_dialled_anywhere_is_one_number_or_none(
            digits in "\\+?[0-9]{0,26}", at in 0..country::all().len(), code: bool,
        ) {
            let country = &country::all()[at];
            let digits = if code { format!("{}{digits}", country.dial_code) } else { digits };
            if let Ok(number) = PhoneNumber::parse_in(&digits, Some(country)) {
                is_settled(&number, country.alpha2);
            }
        }
    }
}
