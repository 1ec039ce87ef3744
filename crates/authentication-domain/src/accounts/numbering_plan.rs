//! Interprets dialled digits by the world's numbering plans, with the tables and rules of libphonenumber in
//! its port `rlibphonenumber` (ADR 0048).
//!
//! The input is only digits, with or without a plus sign. A plan's number ranges decide between two readings
//! but never refuse a number, since regulators open new ranges before a library knows them. A plan's lengths
//! do refuse. They are those of mobile and fixed lines: freephone and premium numbers may be much longer and
//! are accepted only if the plan knows them.

use std::sync::LazyLock;

use rlibphonenumber::{
    NumberLengthType, PhoneNumber as Read, PhoneNumberFormat, PhoneNumberType, PhoneNumberUtil,
    Region, get_national_significant_number_owned as national_number,
};

use crate::profiles::country::Country;

/// The tables are compiled into the library. Its own tests and the tests here prove that they can be read.
static PLANS: LazyLock<Option<PhoneNumberUtil>> = LazyLock::new(|| PhoneNumberUtil::new().ok());

/// Limit for repeated readings. A canonical form reads as itself; a text that never settles is not a number.
const MOST_READINGS: usize = 3;

/// Until 2019, Mexican mobile numbers were dialled with a 1 from abroad. Address books still contain it.
const MEXICO: i32 = 52;

/// The E.164 form of `+` and digits, or of digits as dialled in `country`.
///
/// `None` if no country is known for the digits, or if no number of that country has this length.
pub(super) fn e164(digits: &str, country: Option<&Country>) -> Option<String> {
    let plans = PLANS.as_ref()?;
    let region = country.and_then(|country| region_of(plans, country));
    let mut read = read(plans, digits, region)?;
    for _ in 0..MOST_READINGS {
        let again = self::read(plans, &read, None)?;
        if again == read {
            return Some(read);
        }
        read = again;
    }
    None
}

/// The region of a country. A territory without a plan of its own has that of the network that serves it.
fn region_of(plans: &PhoneNumberUtil, country: &Country) -> Option<Region> {
    let own = Region::from_code(country.alpha2).ok();
    own.filter(|own| plans.get_country_code_for_region(*own).is_some())
        .or_else(|| {
            let code = country.dial_code.trim_start_matches('+').parse().ok()?;
            plans.get_region_for_country_code(code)
        })
}

/// With a plus sign there is one reading. Without one, digits that begin with the country's own calling code
/// may be an international number that lacks its plus. So may digits after `00`, regardless of the country's
/// own international prefix. Two different readings in known ranges are ambiguous and refused.
fn read(plans: &PhoneNumberUtil, digits: &str, region: Option<Region>) -> Option<String> {
    let written = |read: &Read| plans.format(read, PhoneNumberFormat::E164).into_owned();
    let is_known = |read: &Read| plans.is_valid_number(read);
    let first = reading(plans, digits, region);
    let own = region.and_then(|region| plans.get_country_code_for_region(region));
    let Some(own) = own.filter(|_| !digits.starts_with('+')) else {
        return first.as_ref().map(written);
    };

    // If the first reading is in a known range, other readings are only accepted without corrections.
    let is_first_known = first.as_ref().is_some_and(is_known);
    let international = |digits: &str| {
        let text = format!("+{digits}");
        if is_first_known {
            possible(plans, &text, None)
        } else {
            reading(plans, &text, None)
        }
    };
    let after_zeros = digits.strip_prefix("00").and_then(international);
    let lacks_plus = digits.starts_with(&own.to_string());
    let without_plus = lacks_plus.then(|| international(digits)).flatten();
    // The digits were dialled with the country's own international prefix.
    let is_foreign = first.as_ref().is_some_and(|read| read.country_code != own);
    let readings = if is_foreign {
        [first, after_zeros, without_plus]
    } else {
        [after_zeros, first, without_plus]
    };

    let readings = || readings.iter().flatten();
    let mut known = readings().filter(|read| is_known(read)).map(written);
    let Some(one) = known.next() else {
        return readings().next().map(written);
    };
    known.all(|other| other == one).then_some(one)
}

/// The library's reading. If it is in no known range, a corrected reading in a known range takes precedence:
/// without a trunk zero, or without a repeated calling code.
fn reading(plans: &PhoneNumberUtil, digits: &str, region: Option<Region>) -> Option<Read> {
    let known =
        |text: String| possible(plans, &text, None).filter(|read| plans.is_valid_number(read));
    let parsed = plans.parse(digits, region).ok();
    let first = parsed.clone().filter(|read| is_possible(plans, read));
    if first
        .as_ref()
        .is_some_and(|read| plans.is_valid_number(read))
    {
        return first;
    }
    // After a country's own international prefix, digits are a calling code only if a possible number of it
    // follows.
    let says_code = digits.starts_with('+');
    let coded = first.as_ref().or(parsed.as_ref().filter(|_| says_code));
    let code = coded
        .map(|read| read.country_code)
        .or_else(|| plans.get_country_code_for_region(region?));
    let dropped = code.and_then(|code| without_zero(digits, &code.to_string()));
    let once = || code_once(parsed.as_ref()?).and_then(known);
    dropped
        .and_then(known)
        .or_else(|| once().filter(|read| is_as_long_as_a_line(plans, read)))
        .or(first)
        .or_else(|| {
            let now = without_mexican_one(parsed.as_ref()?)?;
            possible(plans, &now, None)
        })
}

fn possible(plans: &PhoneNumberUtil, text: &str, region: Option<Region>) -> Option<Read> {
    let read = plans.parse(text, region).ok()?;
    is_possible(plans, &read).then_some(read)
}

/// Whether a number has a length that its plan allows, and that of a mobile or fixed line if the plan does
/// not know it.
fn is_possible(plans: &PhoneNumberUtil, read: &Read) -> bool {
    let length = plans.is_possible_number_with_reason(read);
    matches!(length, Ok(NumberLengthType::IsPossible))
        && (plans.is_valid_number(read) || is_as_long_as_a_line(plans, read))
}

/// Checks each kind separately: a length that is local-only for fixed lines may be complete for mobile
/// numbers.
fn is_as_long_as_a_line(plans: &PhoneNumberUtil, read: &Read) -> bool {
    [PhoneNumberType::Mobile, PhoneNumberType::FixedLine]
        .into_iter()
        .any(|kind| {
            let length = plans.is_possible_number_for_type_with_reason(read, kind);
            matches!(length, Ok(NumberLengthType::IsPossible))
        })
}

/// Removes a trunk zero that the library's rules keep, such as Colombia's before a mobile number. Two zeros
/// are not a trunk prefix.
fn without_zero(digits: &str, code: &str) -> Option<String> {
    if digits.starts_with("00") {
        return None;
    }
    let written = digits.strip_prefix('+');
    let national = written.map_or(Some(digits), |it| it.strip_prefix(code))?;
    let rest = national.strip_prefix('0')?;
    Some(format!("+{code}{rest}"))
}

/// Removes a repeated calling code: a form showed it before its field, and the person typed it again.
fn code_once(read: &Read) -> Option<String> {
    let national = national_number(read);
    let typed = national.trim_start_matches('0');
    typed
        .starts_with(&read.country_code.to_string())
        .then(|| format!("+{typed}"))
}

fn without_mexican_one(read: &Read) -> Option<String> {
    let national = national_number(read);
    let now = national.strip_prefix('1')?;
    (read.country_code == MEXICO).then(|| format!("+{MEXICO}{now}"))
}
