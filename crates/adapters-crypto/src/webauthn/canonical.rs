//! CBOR in the canonical form required of authenticators (CTAP 2.2 §8, "CTAP2 canonical CBOR encoding form";
//! Level 3 §1.2 requires every decoder to refuse other forms).
//!
//! Definite lengths, shortest heads, sorted and unique map keys, no tags, no floating point, at most four
//! levels. The CBOR library accepts more than that, so its input is checked here first.

use authentication_app::ports::CeremonyFault;

/// Maximum nesting of maps and arrays (CTAP 2.2 §8).
const DEEPEST: u8 = 4;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;
/// The simple values `false`, `true` and `null`.
const SIMPLE_VALUES: std::ops::RangeInclusive<u64> = 20..=22;

/// Splits the first item off.
pub(super) fn take_item<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], CeremonyFault> {
    let whole = *rest;
    let left = skip(whole, 0).ok_or(CeremonyFault::Malformed)?;
    let length = whole.len().saturating_sub(left.len());
    let (item, left) = whole
        .split_at_checked(length)
        .ok_or(CeremonyFault::Malformed)?;
    *rest = left;
    Ok(item)
}

/// The bytes after the first item; `None` when it is not canonical.
fn skip(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    let (kind, value, mut rest) = head(bytes)?;
    match kind {
        UNSIGNED | NEGATIVE => Some(rest),
        BYTES => Some(rest.split_at_checked(usize::try_from(value).ok()?)?.1),
        TEXT => {
            let (text, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
            std::str::from_utf8(text).ok().map(|_| rest)
        }
        ARRAY if depth < DEEPEST => {
            for _ in 0..value {
                rest = skip(rest, depth + 1)?;
            }
            Some(rest)
        }
        MAP if depth < DEEPEST => {
            let mut before: Option<&[u8]> = None;
            for _ in 0..value {
                let after_key = skip(rest, depth + 1)?;
                let key = rest.get(..rest.len().checked_sub(after_key.len())?)?;
                if before.is_some_and(|before| !is_sorted(before, key)) {
                    return None;
                }
                before = Some(key);
                rest = skip(after_key, depth + 1)?;
            }
            Some(rest)
        }
        SIMPLE if SIMPLE_VALUES.contains(&value) => Some(rest),
        _ => None,
    }
}

/// The major type of an item, its value or length in the shortest encoding, and the bytes after the head.
fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (kind, short) = (first >> 5, first & 0x1f);
    let extra = match short {
        0..=23 => return Some((kind, short.into(), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        // 28 to 30 are reserved, and 31 is an indefinite length.
        _ => return None,
    };
    let (spelled, rest) = rest.split_at_checked(extra)?;
    let value = spelled
        .iter()
        .fold(0, |so_far: u64, byte| so_far << 8 | u64::from(*byte));
    let least = match extra {
        1 => 24,
        2 => 1 << 8,
        4 => 1 << 16,
        _ => 1 << 32,
    };
    (value >= least && kind != SIMPLE).then_some((kind, value, rest))
}

/// Lower major types first, then shorter keys, then bytewise. Equal keys do not count as sorted.
fn is_sorted(before: &[u8], key: &[u8]) -> bool {
    let rank = |key: &[u8]| (key.first().map(|first| first >> 5), key.len());
    (rank(before), before) < (rank(key), key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ciborium::Value;
    use proptest::prelude::*;

    fn is_canonical(bytes: &[u8]) -> bool {
        let mut rest = bytes;
        take_item(&mut rest).is_ok_and(|item| item == bytes)
    }

    #[test]
    fn there_is_one_spelling_of_everything() {
        for good in [
            &[0x00][..],
            &[0x17],
            &[0x18, 0x18],
            &[0x19, 0x01, 0x00],
            &[0x1a, 0x00, 0x01, 0x00, 0x00],
            &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x20],
            &[0x38, 0x18],
            &[0x41, 0xff],
            &[0x62, 0xc3, 0xa9],
            &[0x82, 0x01, 0x02],
            &[0xa0],
            // 1, -1, "a": by major type; 3, 100: by length; "b", "c", "aa": by length, then by bytes.
            &[0xa3, 0x01, 0x00, 0x20, 0x00, 0x61, 0x61, 0x00],
            &[0xa2, 0x03, 0x00, 0x18, 0x64, 0x00],
            &[
                0xa3, 0x61, 0x62, 0x00, 0x61, 0x63, 0x00, 0x62, 0x61, 0x61, 0x00,
            ],
            &[0xf4],
            &[0xf5],
            &[0xf6],
            &[0x81, 0x81, 0x81, 0x81, 0x00],
        ] {
            assert!(is_canonical(good), "{good:02x?}");
        }
        for (bad, why) in [
            (&[][..], "nothing"),
            (&[0x18, 0x17], "23 in two bytes"),
            (&[0x19, 0x00, 0xff], "255 in three"),
            (&[0x1a, 0x00, 0x00, 0xff, 0xff], "65535 in five"),
            (&[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], "2³²−1 in nine"),
            (&[0x38, 0x17], "−24 in two"),
            (&[0x58, 0x01, 0xff], "a length in two bytes"),
            (&[0x78, 0x01, 0x61], "a length in two bytes"),
            (&[0x98, 0x01, 0x00], "a length in two bytes"),
            (&[0xb8, 0x01, 0x00, 0x00], "a length in two bytes"),
            (&[0x5f, 0x41, 0xff, 0xff], "bytes without a length"),
            (&[0x7f, 0x61, 0x61, 0xff], "a text without a length"),
            (&[0x9f, 0x00, 0xff], "an array without a length"),
            (&[0xbf, 0xff], "a map without a length"),
            (&[0xa2, 0x01, 0x00, 0x01, 0x00], "a key twice"),
            (&[0xa2, 0x02, 0x00, 0x01, 0x00], "keys out of order"),
            (&[0xa2, 0x20, 0x00, 0x01, 0x00], "a negative key first"),
            (
                &[0xa2, 0x62, 0x61, 0x61, 0x00, 0x61, 0x62, 0x00],
                "a longer key first",
            ),
            (&[0x62, 0xff, 0xff], "no UTF-8"),
            (&[0x42, 0xff], "bytes that are not there"),
            (
                &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                "so many bytes",
            ),
            (
                &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                "so many keys",
            ),
            (&[0xa1, 0x01], "a key without a value"),
            (&[0xc0, 0x00], "a tag"),
            (&[0xf7], "undefined"),
            (&[0xe0], "a value that is not assigned"),
            (&[0xf8, 0x20], "another"),
            (&[0xf9, 0x00, 0x00], "floating point"),
            (&[0xff], "an end of nothing"),
            (&[0x1c], "a head that is not assigned"),
            (&[0x81, 0x81, 0x81, 0x81, 0x81, 0x00], "five levels"),
        ] {
            assert!(!is_canonical(bad), "{why}");
        }
    }

    proptest! {
        /// The check accepts nothing that the library cannot read, and never panics.
        #[test]
        fn what_is_canonical_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if is_canonical(&bytes) {
                let read: Result<Value, _> = ciborium::from_reader(bytes.as_slice());
                prop_assert!(read.is_ok());
            }
        }
    }
}
