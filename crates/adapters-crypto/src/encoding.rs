//! Unambiguous encoding of several values into one text, for MACs and associated data.

/// Prefixes each part with its length, so that `("ab", "c")` and `("a", "bc")` give different bytes.
pub(crate) fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let size = parts.iter().map(|part| part.len() + size_of::<u64>()).sum();
    let mut encoded = Vec::with_capacity(size);
    for part in parts {
        encoded.extend_from_slice(&(part.len() as u64).to_be_bytes());
        encoded.extend_from_slice(part);
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn different_parts_never_encode_alike(
            one: Vec<Vec<u8>>,
            other: Vec<Vec<u8>>,
        ) {
            let encode = |parts: &[Vec<u8>]| {
                length_prefixed(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
            };
            prop_assert_eq!(encode(&one) == encode(&other), one == other);
        }

        #[test]
        fn moving_a_boundary_changes_the_bytes(text: Vec<u8>, first: usize, second: usize) {
            let cut = |at: usize| {
                let (left, right) = text.split_at(at % (text.len() + 1));
                length_prefixed(&[left, right])
            };
            let same = first % (text.len() + 1) == second % (text.len() + 1);
            prop_assert_eq!(cut(first) == cut(second), same);
        }
    }
}
