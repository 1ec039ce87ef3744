//! The countries and territories of ISO 3166-1 plus Kosovo, with the data that a country form needs.
//!
//! The table is generated from `data/countries.tsv`; `data/README.md` documents its sources and choices. A
//! territory without a calling code of its own has the code of the network that serves it. A member of the
//! North American Numbering Plan has only `+1`. Deliberately absent: names in other languages, and area
//! codes.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// A country or territory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country {
    /// ISO 3166-1 numeric code. Kosovo has 983, from the range that ISO reserves for users.
    pub id: u16,
    /// ISO 3166-1 alpha-2 code in upper case; `XK` is Kosovo.
    pub alpha2: &'static str,
    /// English short name.
    pub name: &'static str,
    /// International calling code with its plus sign, such as `+234`.
    pub dial_code: &'static str,
    /// ISO 4217 code of the currency in use; Antarctica has none.
    pub currency: Option<&'static str>,
}

// `COUNTRIES` is sorted by alpha-2 code, `CALLING_CODES` by digits.
include!(concat!(env!("OUT_DIR"), "/countries.rs"));

/// Every country, sorted by alpha-2 code.
pub fn all() -> &'static [Country] {
    &COUNTRIES
}

/// The country with this alpha-2 code, ignoring case.
pub fn find(alpha2: &str) -> Option<&'static Country> {
    all()
        .iter()
        .find(|country| country.alpha2.eq_ignore_ascii_case(alpha2))
}

/// Countries that match a search for `q`: part of the name, the alpha-2 code, or the beginning of the calling
/// code with or without its plus sign.
///
/// Case, accents and surrounding blanks are ignored, so `reunion` finds Réunion. An empty `q` finds all.
pub fn search(q: &str) -> impl Iterator<Item = &'static Country> + use<> {
    let q = folded(q.trim());
    all().iter().filter(move |country| {
        let digits = country.dial_code.trim_start_matches('+');
        folded(country.name).contains(&q)
            || country.alpha2.eq_ignore_ascii_case(&q)
            || digits.starts_with(q.strip_prefix('+').unwrap_or(&q))
    })
}

/// The longest country calling code, without its plus sign, that the digits of an E.164 number begin with.
///
/// Codes that belong to no country, such as those of satellite networks and freephone numbers, do not match.
pub fn is_dial_code_prefix(digits: &str) -> Option<&'static str> {
    // No calling code has more than three digits (ITU-T E.164 §6.2.1).
    (1..=3).rev().find_map(|length| {
        let candidate = digits.get(..length)?;
        let index = CALLING_CODES.binary_search(&candidate).ok()?;
        CALLING_CODES.get(index).copied()
    })
}

fn folded(text: &str) -> String {
    text.nfd()
        .filter(|character| !is_combining_mark(*character))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn found(q: &str) -> Vec<&'static str> {
        search(q).map(|country| country.alpha2).collect()
    }

    #[test]
    fn every_country_of_iso_3166_1_and_kosovo_is_there_once() {
        assert_eq!(all().len(), 250);
        assert!(all().is_sorted_by(|one, next| one.alpha2 < next.alpha2));
        let ids: HashSet<u16> = all().iter().map(|country| country.id).collect();
        assert_eq!(ids.len(), all().len());
    }

    #[test]
    fn every_row_is_well_formed() {
        for country in all() {
            let capitals = |text: &str, length| {
                text.len() == length && text.bytes().all(|byte| byte.is_ascii_uppercase())
            };
            let (plus, digits) = country.dial_code.split_at(1);
            let is_numbered = matches!((country.alpha2, country.id), ("XK", 983) | (_, 4..=894));
            assert!(is_numbered, "{country:?}");
            assert!(capitals(country.alpha2, 2), "{country:?}");
            assert!(!country.name.is_empty(), "{country:?}");
            assert_eq!(plus, "+", "{country:?}");
            assert_eq!(is_dial_code_prefix(digits), Some(digits), "{country:?}");
            assert!(
                country.currency.is_none_or(|code| capitals(code, 3)),
                "{country:?}"
            );
        }
    }

    #[test]
    fn only_antarctica_has_no_currency() {
        let without: Vec<_> = all()
            .iter()
            .filter(|country| country.currency.is_none())
            .map(|country| country.alpha2)
            .collect();
        assert_eq!(without, ["AQ"]);
    }

    #[test]
    fn a_country_is_found_in_whatever_case() {
        let nigeria = Country {
            id: 566,
            alpha2: "NG",
            name: "Nigeria",
            dial_code: "+234",
            currency: Some("NGN"),
        };
        for alpha2 in ["NG", "ng", "nG"] {
            assert_eq!(find(alpha2), Some(&nigeria));
        }
    }

    #[test]
    fn what_is_not_a_code_finds_no_country() {
        for alpha2 in ["", "N", "NGA", "EU", "ZZ", "566", "ñg"] {
            assert_eq!(find(alpha2), None, "{alpha2}");
        }
    }

    #[test]
    fn a_part_of_the_name_finds_a_country() {
        assert_eq!(found("NIGER"), ["NE", "NG"]);
        assert_eq!(found(" united kingdom "), ["GB"]);
    }

    #[test]
    fn accents_do_not_count() {
        assert_eq!(found("reunion"), ["RE"]);
        assert_eq!(found("RÉUNION"), ["RE"]);
        assert_eq!(found("cote d'ivoire"), ["CI"]);
        assert_eq!(found("aland islands"), ["AX"]);
    }

    #[test]
    fn the_alpha_2_code_finds_a_country() {
        assert_eq!(found("gb"), ["GB"]);
        assert_eq!(found("xk"), found("kosovo"));
        assert_eq!(find("xk").unwrap().dial_code, "+383");
        assert!(found("ng").contains(&"NG"));
    }

    #[test]
    fn the_calling_code_finds_a_country_with_or_without_plus() {
        assert_eq!(found("+234"), ["NG"]);
        assert_eq!(found("234"), ["NG"]);
        assert_eq!(found("+23"), found("23"));
        assert!(found("+1").contains(&"BB"));
    }

    #[test]
    fn an_empty_search_finds_all_and_nonsense_none() {
        assert_eq!(search("").count(), all().len());
        assert_eq!(search("zzz").count(), 0);
        assert_eq!(search("++234").count(), 0);
    }

    #[test]
    fn the_calling_code_of_a_number_is_told() {
        for (digits, code) in [
            ("2348012345678", "234"),
            ("447911123456", "44"),
            ("12025550123", "1"),
            ("12465550123", "1"),
            ("77011234567", "7"),
            ("38344123456", "383"),
            ("234", "234"),
        ] {
            assert_eq!(is_dial_code_prefix(digits), Some(code), "{digits}");
        }
    }

    #[test]
    fn a_number_of_no_country_has_no_calling_code() {
        for digits in ["", "0801", "999123456", "80012345678", "+234801", "२३४"] {
            assert_eq!(is_dial_code_prefix(digits), None, "{digits}");
        }
    }

    #[test]
    fn no_calling_code_begins_another() {
        for code in CALLING_CODES {
            let longer = CALLING_CODES
                .iter()
                .filter(|other| other.starts_with(code))
                .count();
            assert_eq!(longer, 1, "{code}");
        }
    }
}
