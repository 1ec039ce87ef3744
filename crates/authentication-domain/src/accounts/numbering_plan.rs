//! What the numbering plans of the world make of dialled digits: libphonenumber's tables and rules, by its port
//! `rlibphonenumber` (ADR 0048).
//!
//! What gets here is digits with or without a plus, so that the library sees nothing odd. A plan's ranges settle
//! between two readings and refuse nothing, since regulators open new ones before a library knows of them; its
//! lengths do refuse.

use std::sync::LazyLock;

use rlibphonenumber::{
    NumberLengthType, PhoneNumber as Read, PhoneNumberFormat, PhoneNumberUtil, Region,
};

use crate::profiles::country::Country;

/// The tables are part of the library; that they can be read its own tests see, and ours.
static PLANS: LazyLock<Option<PhoneNumberUtil>> = LazyLock::new(|| PhoneNumberUtil::new().ok());

/// A form that is read as another one again is no form that a number has; none is read more often.
const MOST_READINGS: usize = 3;

/// The E.164 form of `+` and digits, or of digits as they are dialled in `country`.
///
/// `None` without a country that they could be of, and where no number of that country is so long.
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

/// That of a territory without a plan of its own is that of the network which serves it.
fn region_of(plans: &PhoneNumberUtil, country: &Country) -> Option<Region> {
    let own = Region::from_code(country.alpha2).ok();
    own.filter(|own| plans.get_country_code_for_region(*own).is_some())
        .or_else(|| {
            let code = country.dial_code.trim_start_matches('+').parse().ok()?;
            plans.get_region_for_country_code(code)
        })
}

/// The library's reading, unless it is in no known range and another one is. Two that are known are none: a number
/// without its plus may be either.
fn read(plans: &PhoneNumberUtil, digits: &str, region: Option<Region>) -> Option<String> {
    let parse = |text: &str| {
        let read = plans.parse(text, region).ok()?;
        let length = plans.is_possible_number_with_reason(&read);
        matches!(length, Ok(NumberLengthType::IsPossible)).then_some(read)
    };
    let is_known = |read: &Read| plans.is_valid_number(read);
    let known = |text: String| parse(&text).filter(is_known);
    let written = |read: Read| plans.format(&read, PhoneNumberFormat::E164).into_owned();

    let first = parse(digits);
    let of_region = || plans.get_country_code_for_region(region?);
    let code = first.as_ref().map(|read| read.country_code);
    let code = code.or_else(of_region)?.to_string();
    let known_first = first.clone().filter(is_known);
    let national = known_first.or_else(|| without_zero(digits, &code).and_then(known));
    let is_without_plus = digits.starts_with(&code);
    let international = is_without_plus
        .then(|| known(format!("+{digits}")))
        .flatten();
    match (national.map(written), international.map(written)) {
        (Some(one), Some(other)) if one != other => None,
        (Some(known), _) | (None, Some(known)) => Some(known),
        (None, None) => first.map(written),
    }
}

/// A trunk zero that the library's rules do not take off, such as Colombia's before a mobile number.
fn without_zero(digits: &str, code: &str) -> Option<String> {
    let written = digits.strip_prefix('+');
    let national = written.map_or(Some(digits), |it| it.strip_prefix(code))?;
    let rest = national.strip_prefix('0')?;
    Some(format!("+{code}{rest}"))
}
