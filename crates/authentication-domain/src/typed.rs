//! Normalises numbers and codes as typed or pasted, where separators and letter width carry no meaning.

/// Upper bound for typed input, in bytes. It leaves room for separators and for characters of three bytes.
pub const MOST_TYPED: usize = 96;

/// The characters that carry meaning. White space, line breaks, hyphens, dashes and invisible characters
/// (direction marks, joiners, byte-order marks) are dropped: text processors, mail programs and phones insert
/// them. Full-width forms become the ASCII characters that they display.
pub(crate) fn meant(typed: &str) -> impl Iterator<Item = char> + '_ {
    typed.chars().filter(|it| !is_left_out(*it)).map(narrow)
}

const fn is_left_out(character: char) -> bool {
    character.is_whitespace() || is_dash(character) || is_unseen(character)
}

/// The dashes of Unicode general category Pd that keyboards and text processors produce, plus the minus sign.
const fn is_dash(character: char) -> bool {
    matches!(
        character,
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
    )
}

/// From Unicode general category Cf: soft hyphen, direction marks and embeddings, joiners, byte-order mark.
const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

/// Maps the full-width forms U+FF01 to U+FF5E to the printable ASCII characters.
fn narrow(character: char) -> char {
    let offset = u32::from('\u{ff01}') - u32::from('!');
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            char::from_u32(u32::from(character) - offset).unwrap_or(character)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Characters that may appear anywhere in a text without changing its meaning.
    const NOISE: [char; 14] = [
        ' ', '\t', '\r', '\n', '\u{a0}', '\u{202f}', '\u{3000}', '-', '\u{2011}', '\u{2013}',
        '\u{200e}', '\u{202a}', '\u{2069}', '\u{feff}',
    ];

    #[test]
    fn only_what_nobody_means_is_left_out() {
        for kept in ['0', 'A', 'é', '.', '(', '+', '_', '\u{0}', '٣', '😀'] {
            assert_eq!(
                meant(&kept.to_string()).collect::<String>(),
                kept.to_string()
            );
        }
        assert_eq!(
            meant("＋２３４　（８０１）Ａｚ～").collect::<String>(),
            "+234(801)Az~"
        );
    }

    proptest! {
        #[test]
        fn noise_changes_nothing(
            text in "[!-~]{0,20}", at in 0_usize..20, noise in proptest::sample::select(NOISE.to_vec()),
        ) {
            let mut noisy: Vec<char> = text.chars().collect();
            noisy.insert(at.min(noisy.len()), noise);
            let noisy: String = noisy.into_iter().collect();
            prop_assert_eq!(meant(&noisy).collect::<String>(), meant(&text).collect::<String>());
        }

        #[test]
        fn a_wide_character_is_its_narrow_one(text in "[!-,.-~]{0,20}") {
            let wide: String = text.chars().filter_map(|it| char::from_u32(u32::from(it) + 0xfee0)).collect();
            prop_assert_eq!(meant(&wide).collect::<String>(), text);
        }
    }
}
