//! Phone numbers.

use std::{fmt, ops::RangeInclusive};

use super::numbering_plan;
use crate::{
    profiles::country::{self, Country},
    typed::{MOST_TYPED, meant},
};

/// Accepted number of digits: from the shortest number dialled within a small country to E.164 with an
/// international and a national prefix.
const MOST_DIALLED: RangeInclusive<usize> = 4..=24;

/// A number in E.164 form: `+`, country code, subscriber number; at most 15 digits.
///
/// All ways to write a number give the same value: with spaces, hyphens, dots, slashes or brackets; with the
/// national prefix (`+44 (0)7911 123456`); or, if the country is known, as dialled within it or from it. `00`
/// is an international prefix everywhere, and a repeated calling code counts once. The lengths of mobile and
/// fixed lines in the country's numbering plan are enforced. Its ranges are not, since plans open new ones
/// every month: the code sent to a number proves that it exists (ADR 0048).
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneNumber(String);

/// Why a text is not a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a valid phone number; write it in international format, such as +2348012345678, or give its country"
)]
pub struct InvalidPhone;

impl PhoneNumber {
    /// Parses a number in international format.
    ///
    /// # Errors
    /// [`InvalidPhone`] unless it begins with `+` and an existing country calling code, and has a possible
    /// length for that country.
    pub fn parse(typed: &str) -> Result<Self, InvalidPhone> {
        Self::parse_in(typed, None)
    }

    /// Parses a number in international format, or as dialled in a country.
    ///
    /// # Errors
    /// [`InvalidPhone`] if it is neither, or if its length is not possible in its country.
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
        // Satellite, freephone and premium numbers also have calling codes, but these belong to no country.
        read.flatten()
            .filter(|read| country::is_dial_code_prefix(read.trim_start_matches('+')).is_some())
            .map(Self)
            .ok_or(InvalidPhone)
    }

    /// Restores a number from [`Self::as_str`] without applying the numbering plans. They change, and a
    /// stored number still belongs to someone.
    ///
    /// # Errors
    /// [`InvalidPhone`] unless it is `+` and 4 to 24 digits that begin with a country calling code.
    pub fn from_stored(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone)?;
        let is_stored = MOST_DIALLED.contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && country::is_dial_code_prefix(digits).is_some();
        is_stored.then(|| Self(text.to_owned())).ok_or(InvalidPhone)
    }

    /// The number in E.164 form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The calling code and the `digits` after it, which many numbers share, such as `+23480`.
    pub fn range(&self, digits: usize) -> &str {
        let code = country::is_dial_code_prefix(self.0.trim_start_matches('+')).unwrap_or_default();
        self.0.get(..1 + code.len() + digits).unwrap_or(&self.0)
    }

    /// The calling code and the last two digits: `+234******78`.
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
            // Italian numbers keep their leading zero, also from abroad.
            ("+39 06 1234 5678", "", "+390612345678"),
            ("06 1234 5678", "IT", "+390612345678"),
            ("+39 347 123 4567", "", "+393471234567"),
            // So do those of Gabon and Côte d'Ivoire.
            ("+225 01 23 45 67 89", "", "+2250123456789"),
            // A trunk prefix of more than one digit, and a trunk prefix 8.
            ("+36 06 20 123 4567", "", "+36201234567"),
            ("8 912 345-67-89", "RU", "+79123456789"),
            // A number that begins with the same digits as its trunk prefix.
            ("+7 800 555 35 35", "", "+78005553535"),
            // Colombia's plan treats this zero as part of the number.
            ("+57 0 321 123 4567", "", "+573211234567"),
            // Without a plus. No number of Ghana begins like this.
            ("233 24 123 4567", "GH", "+233241234567"),
            // A territory that uses the plan of another country.
            ("021 123 4567", "PN", "+64211234567"),
            // The selected country only applies to numbers without a calling code.
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
    fn two_zeros_are_an_international_prefix_everywhere() {
        for (typed, alpha2, expected) in [
            ("00234 803 123 5567", "NG", Some("+2348031235567")),
            ("0234 803 123 5573", "NG", Some("+2348031235573")),
            ("0234 803 555 0101", "NG", Some("+2348035550101")),
            ("00234 803 555 0101", "NG", Some("+2348035550101")),
            ("00234 (0)803 555 0101", "NG", Some("+2348035550101")),
            ("0044 7911 123470", "NG", Some("+447911123470")),
            ("0033 6 12 34 56 70", "NG", Some("+33612345670")),
            ("00 1 202 555 0123", "NG", Some("+12025550123")),
            ("00 39 06 1234 5678", "NG", Some("+390612345678")),
            ("0044 7911 123470", "US", Some("+447911123470")),
            ("00 7 912 345-67-89", "RU", Some("+79123456789")),
            // Read as dialled with a carrier prefix, it would be a Russian number in no known range.
            ("00 57 321 123 4567", "CO", Some("+573211234567")),
            // Two zeros are not a trunk prefix.
            ("00 62 812 345 678", "ID", Some("+62812345678")),
            // Singapore dials 003 before a Swedish number.
            ("00 34 612 345 678", "SG", None),
            ("00 44 7911 1234", "NG", None),
            ("044 7911 123470", "NG", None),
            ("00 999 123 456 789", "NG", None),
        ] {
            assert_eq!(read(typed, alpha2).as_deref(), expected, "{typed} {alpha2}");
        }
    }

    #[test]
    fn a_calling_code_that_is_written_twice_counts_once() {
        for (typed, expected) in [
            ("+234 234 803 123 4567", "+2348031234567"),
            ("+234 234 0803 123 5572", "+2348031235572"),
            ("+234 0234 803 123 5572", "+2348031235572"),
            ("+91 91 9876543210", "+919876543210"),
            ("+33 33 6 12 34 56 70", "+33612345670"),
            // Numbers that begin like their calling code: East Frisia and Lund.
            ("+49 49 1512 3456790", "+494915123456790"),
            ("+46 46 812 34 56", "+46468123456"),
        ] {
            for alpha2 in ["", "NG", "DE"] {
                assert_eq!(
                    read(typed, alpha2).as_deref(),
                    Some(expected),
                    "{typed} {alpha2}"
                );
            }
        }
    }

    /// Seven digits, fewer than any line in New Zealand has. Removing a repeated calling code would leave a
    /// short number of five digits.
    #[test]
    fn a_number_that_is_too_short_does_not_become_a_shorter_one() {
        assert_eq!(read("+64 6 486 906", ""), None);
    }

    /// Mexico abolished it in 2019.
    #[test]
    fn the_one_of_mexicos_old_mobile_numbers_goes() {
        for (typed, alpha2) in [
            ("+52 1 55 1234 5678", ""),
            ("+52 55 1234 5678", ""),
            ("52 1 55 1234 5678", "MX"),
            ("1 55 1234 5678", "MX"),
            ("00 52 1 55 1234 5678", "NG"),
        ] {
            assert_eq!(
                read(typed, alpha2).as_deref(),
                Some("+525512345678"),
                "{typed} {alpha2}"
            );
        }
        assert_eq!(read("+52 1 1 55 1234 5678", ""), None);
        assert_eq!(read("+57 1 321 123 4567", ""), None, "of no other country");
    }

    #[test]
    fn a_range_that_no_plan_knows_counts_by_the_length_of_a_line() {
        for (typed, alpha2, expected) in [
            ("+234 699 123 4567", "", Some("+2346991234567")),
            ("0699 123 4567", "NG", Some("+2346991234567")),
            ("234 699 123 4567", "NG", Some("+2346991234567")),
            ("00234 699 123 4567", "NG", Some("+2346991234567")),
            ("+49 123 12345678", "", Some("+4912312345678")),
            ("+62 199 123 4567", "", Some("+621991234567")),
            // Freephone numbers are longer, but the plan knows them.
            ("+234 800 1234 5678", "", Some("+23480012345678")),
            ("+234 699 1234 5678", "", None),
        ] {
            let known = PLANS
                .parse(typed, None)
                .is_ok_and(|it| PLANS.is_valid_number(&it));
            assert_eq!(known, typed.starts_with("+234 800"), "{typed}");
            assert_eq!(read(typed, alpha2).as_deref(), expected, "{typed} {alpha2}");
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
            // Too short or too long for the plan.
            ("+234 801 234 567", ""),
            ("+44 7911 1234", ""),
            ("+33 6 12 34 56 78 9", ""),
            ("0801 234", "NG"),
            // An East Frisian number without its trunk zero, or a mobile number without its plus.
            ("49 1512 3456789", "DE"),
            // Numbers of no country: freephone, satellite, premium.
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

    /// Covers every country in the plans and every kind of subscriber number, in every written form.
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
                    // A territory that is not in the country table is dialled from abroad.
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
                // Without its plus, the text may be ambiguous, but it never becomes a different number.
                let found = read(&format!("{code}{national}"), alpha2);
                assert!(found.is_none_or(|found| found == expected), "{expected}");
            }
        }
        assert!(examples > 450, "{examples}");
    }

    /// With `00` for the plus, a repeated calling code, or no plus, a number reads as itself or not at all.
    #[test]
    fn every_countrys_mobile_numbers_are_no_others_however_their_code_is_typed() {
        // These countries have other international prefixes, or `00` followed by more digits.
        let dialled_from = ["NG", "US", "JP", "KR", "SG", "BR", "RU", "ID"];
        let (mut found_at_home, mut found_from_abroad, mut others) = (0, 0, 0);
        for region in PLANS.get_supported_regions() {
            let alpha2 = region.to_string();
            let kind = PhoneNumberType::Mobile;
            let Ok(example) = PLANS.get_example_number_for_type_and_region(region, kind) else {
                continue;
            };
            let expected = PLANS.format(&example, PhoneNumberFormat::E164).into_owned();
            let code = example.country_code;
            let national = expected.trim_start_matches(&format!("+{code}")).to_owned();
            let dialled = PLANS.format(&example, PhoneNumberFormat::National);
            let digits: String = dialled.chars().filter(char::is_ascii_digit).collect();
            let trunk = digits.strip_suffix(&national).unwrap_or_default();
            let is_itself_or_none = |typed: &str, within: &str| {
                let found = read(typed, within);
                assert!(
                    found.as_ref().is_none_or(|found| *found == expected),
                    "{typed} in {within}: {found:?}"
                );
                usize::from(found.is_some())
            };
            for within in dialled_from {
                found_from_abroad += is_itself_or_none(&format!("00{code}{national}"), within);
            }
            for typed in [
                format!("00{code}{national}"),
                format!("00{code}{trunk}{national}"),
                format!("{code}{national}"),
                format!("{code}{trunk}{national}"),
            ] {
                found_at_home += is_itself_or_none(&typed, &alpha2);
            }
            for typed in [
                format!("+{code}{code}{national}"),
                format!("+{code}{code}{trunk}{national}"),
            ] {
                // A text that the plan knows unchanged is not corrected.
                let stands = PLANS.parse(&typed, None).ok();
                let stands = stands.filter(|stands| PLANS.is_valid_number(stands));
                let stands =
                    stands.map(|it| PLANS.format(&it, PhoneNumberFormat::E164).into_owned());
                if stands.as_ref().is_some_and(|stands| *stands != expected) {
                    assert_eq!(read(&typed, ""), stands, "{typed}");
                    others += 1;
                } else {
                    assert_eq!(is_itself_or_none(&typed, &alpha2), 1, "{typed}");
                }
            }
        }
        // There are more than 240 of each.
        assert!(found_at_home > 940, "{found_at_home}");
        assert!(found_from_abroad > 1_850, "{found_from_abroad}");
        assert!(others < 10, "{others}");
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

    /// A number in E.164 form reads as itself in every country.
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
            digits in "\\+?[0-9]{0,26}", at in 0..country::all().len(), written in 0..4,
        ) {
            let country = &country::all()[at];
            let code = country.dial_code.trim_start_matches('+');
            let digits = match written {
                0 => digits,
                1 => format!("+{code}{digits}"),
                2 => format!("00{code}{digits}"),
                _ => format!("+{code}{code}{digits}"),
            };
            if let Ok(number) = PhoneNumber::parse_in(&digits, Some(country)) {
                is_settled(&number, country.alpha2);
            }
        }
    }
}
