//! One-time codes that a person enters.

use std::fmt;

use common::constant_time;
use secrecy::{ExposeSecret, SecretString};

use crate::typed::{MOST_TYPED, meant};

/// Random bytes that identify one sending of a code. The code is derived from them with a server key, so that
/// neither the store nor the outbox ever holds a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeNonce(pub [u8; 16]);

/// The format of a code. It is fixed for a sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CodeFormat {
    /// Six decimal digits. Guesses must be limited.
    #[default]
    Digits,
    /// Twelve base 32 characters, 60 bits: too many to guess.
    Long,
}

impl CodeFormat {
    /// Both formats.
    pub const ALL: [Self; 2] = [Self::Digits, Self::Long];

    /// The name used in stores and in responses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Long => "long",
        }
    }

    /// Parses a name read from a store.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// Six decimal digits, or twelve characters of Crockford's base 32.
pub struct OneTimeCode(SecretString);

impl OneTimeCode {
    /// Length of a code of digits.
    pub const DIGITS: usize = 6;
    /// Length of a long code, in characters.
    pub const LONG: usize = 12;
    /// Crockford's base 32, without the letters that look like a digit or like another letter.
    const ALPHABET: [char; 32] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H',
        'J', 'K', 'M', 'N', 'P', 'Q', 'R', 'S', 'T', 'V', 'W', 'X', 'Y', 'Z',
    ];

    /// Derives a code from pseudo-random bytes. Taking 64 bits modulo a million favours no code by more than
    /// 2⁻⁴⁴. A long code uses 60 of the bits.
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

    /// Parses typed or pasted input; `None` when it has neither format. A long code may contain lower-case
    /// letters and the letters that look like digits (O, I, L).
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

    /// The format of the code.
    pub fn format(&self) -> CodeFormat {
        let length = self.expose().len();
        if length == Self::LONG {
            CodeFormat::Long
        } else {
            CodeFormat::Digits
        }
    }

    /// The characters, for the message that delivers the code.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares two codes in constant time.
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
