//! The code that a person types.

use std::fmt;

use common::constant_time;
use secrecy::{ExposeSecret, SecretString};

use crate::typed::{MOST_TYPED, meant};

/// Random bytes that name one sending of a code. The code follows from it under a server key, so that
/// neither the store nor the outbox ever holds a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeNonce(pub [u8; 16]);

/// How long a code is. A sending has one format for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CodeFormat {
    /// Six decimal digits: few enough that guesses have to be counted.
    #[default]
    Digits,
    /// Twelve characters of base 32, sixty bits: more than anybody can guess.
    Long,
}

impl CodeFormat {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Digits, Self::Long];

    /// The name in stores and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Long => "long",
        }
    }

    /// As read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// Six decimal digits, or twelve characters of Crockford's base 32.
pub struct OneTimeCode(SecretString);

impl OneTimeCode {
    /// How many digits.
    pub const DIGITS: usize = 6;
    /// How many characters of a long one.
    pub const LONG: usize = 12;
    /// Without the letters that look like a digit or like another letter.
    const ALPHABET: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H',
        'J', 'K', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
    ];

    /// From pseudo-random bytes. Taking 64 bits modulo a million favours no code by more than 2⁻⁴⁴; of a long code
    /// the bytes give sixty bits.
    pub fn from_bytes(bytes: [u8; 8], format: CodeFormat) -> Self {
        let number = u64::from_be_bytes(bytes);
        match format {
            CodeFormat::Digits => Self(format!("{:06}", number % 1_000_000).into()),
            CodeFormat::Long => Self(Self::base_32(number).into()),
        }
    }

    fn base_32(number: u64) -> String {
        let symbol = |place: usize| {
            let index = usize::try_from((number >> (5 * place)) & 31).unwrap_or_default();
            Self::ALPHABET.get(index)
        };
        (0..Self::LONG).rev().filter_map(symbol).collect()
    }

    /// What a person typed or pasted; `None` when it is neither. A long code may have small letters, and the letters
    /// that look like digits (O, I, L).
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > MOST_TYPED {
            return None;
        }
        let meant: String = meant(typed).collect();
        Self::parse_digits(&meant).or_else(|| Self::parse_long(&meant))
    }

    fn parse_digits(meant: &str) -> Option<Self> {
        let well_formed =
            meant.len() == Self::DIGITS && meant.bytes().all(|byte| byte.is_ascii_digit());
        well_formed.then(|| Self(meant.into()))
    }

    fn parse_long(meant: &str) -> Option<Self> {
        let symbols = meant.chars().map(|it| match it.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        });
        let code: String = symbols.collect();
        let well_formed =
            code.len() == Self::LONG && code.chars().all(|it| Self::ALPHABET.contains(&it));
        well_formed.then(|| Self(code.into()))
    }

    /// Which of the two it is.
    pub fn format(&self) -> CodeFormat {
        let length = self.expose().len();
        if length == Self::LONG {
            CodeFormat::Long
        } else {
            CodeFormat::Digits
        }
    }

    /// The characters, for the message that carries them.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same, in time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::is_equal(self.expose().as_bytes(), other.expose().as_bytes())
    }
}

impl fmt::Debug for OneTimeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeCode(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn six_ascii_digits_are_a_code() {
        for good in [
            "000000",
            "123456",
            "123 456",
            " 123456",
            "123-456",
            "\u{202a}123\u{a0}456\u{202c}",
            "123\u{2011}456\r\n",
            "１２３４５６",
        ] {
            let code = OneTimeCode::parse(good).unwrap();
            assert_eq!(code.format(), CodeFormat::Digits, "{good:?}");
        }
        for bad in [
            "",
            "12345",
            "1234567",
            "12345a",
            "-12345",
            "١٢٣٤٥٦",
            "1e5000",
            "123456\u{0}",
        ] {
            assert!(OneTimeCode::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_long_code_is_forgiven_what_people_type() {
        let code = OneTimeCode::parse("01AB23CD45EF").unwrap();
        assert_eq!(code.format(), CodeFormat::Long);
        for typed in [
            "01ab23cd45ef",
            "O1AB-23CD-45EF",
            "o1ab 23cd 45ef",
            " OIAB 23CD-45EF ",
            "0lab23cd45ef",
            "01ab\u{2011}23cd\u{2011}45ef\u{200e}",
            "０１ＡＢ２３ＣＤ４５ｅｆ",
        ] {
            let typed = OneTimeCode::parse(typed).unwrap();
            assert!(typed.matches(&code), "{typed:?}");
        }
        for bad in [
            "01AB23CD45E",
            "01AB23CD45EFG",
            "01AB23CD45EU",
            "01AB23CD45E_",
            "01AB23CD45EÉ",
            &format!("01AB23CD45EF{}", " ".repeat(85)),
        ] {
            assert!(OneTimeCode::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_format_survives_the_store() {
        for format in CodeFormat::ALL {
            assert_eq!(CodeFormat::from_name(format.as_str()), Some(format));
        }
    }

    proptest! {
        #[test]
        fn a_made_code_is_a_code_and_matches_itself_alone(bytes: [u8; 8], other: [u8; 8]) {
            for format in CodeFormat::ALL {
                let code = OneTimeCode::from_bytes(bytes, format);
                prop_assert_eq!(code.format(), format);
                prop_assert!(OneTimeCode::parse(code.expose()).unwrap().matches(&code));
                let other = OneTimeCode::from_bytes(other, format);
                prop_assert_eq!(other.matches(&code), other.expose() == code.expose());
            }
            let [long, digits] = [CodeFormat::Long, CodeFormat::Digits]
                .map(|format| OneTimeCode::from_bytes(bytes, format));
            prop_assert!(!long.matches(&digits));
        }

        #[test]
        fn sixty_bits_make_a_long_code(bytes: [u8; 8], bit in 0..60_u32) {
            let number = u64::from_be_bytes(bytes);
            let flipped = (number ^ (1 << bit)).to_be_bytes();
            let one = OneTimeCode::from_bytes(bytes, CodeFormat::Long);
            prop_assert!(!one.matches(&OneTimeCode::from_bytes(flipped, CodeFormat::Long)));
        }
    }
}
