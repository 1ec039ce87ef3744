//! A password as it was typed.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization as _;

/// A password in the form in which it is checked and hashed: the whole input in Unicode NFC.
///
/// NFC is the only change (NIST SP 800-63B-4 §3.1.1.2). It happens here, so that it is the same on every
/// path. The input as typed is kept as well where it differs, for hashes of systems that do not normalise.
pub struct PlainPassword {
    normalised: SecretString,
    /// The input as typed; `None` when it equals the normalised form.
    typed: Option<SecretString>,
}

/// The text cannot be a password, so it is refused without computing a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusablePassword {
    /// The input is empty.
    #[error("enter a password")]
    Empty,
    /// Longer than the upper bound, in characters. Refused, never truncated.
    #[error("use at most {maximum} characters")]
    TooLong {
        /// The bound.
        maximum: usize,
    },
    /// Contains control characters, which keyboards do not produce and many systems mangle.
    #[error("control characters aren't allowed")]
    ControlCharacter,
}

impl PlainPassword {
    /// Upper bound in Unicode code points, after NFC.
    pub const MAX_LENGTH: usize = 256;

    /// # Errors
    /// [`UnusablePassword`]; the policy for new passwords is [`super::PasswordPolicy`]'s.
    pub fn from_typed(typed: &SecretString) -> Result<Self, UnusablePassword> {
        let typed = typed.expose_secret();
        let too_long = UnusablePassword::TooLong {
            maximum: Self::MAX_LENGTH,
        };
        // NFC does not shrink a text to a third or less, so longer input is refused before any work.
        if typed.len() > Self::MAX_LENGTH * 4 * 3 {
            return Err(too_long);
        }
        if typed.is_empty() {
            return Err(UnusablePassword::Empty);
        }
        if typed.chars().any(char::is_control) {
            return Err(UnusablePassword::ControlCharacter);
        }
        let normalised: String = typed.nfc().collect();
        if normalised.chars().count() > Self::MAX_LENGTH {
            return Err(too_long);
        }
        Ok(Self {
            typed: (normalised != typed).then(|| SecretString::from(typed)),
            normalised: normalised.into(),
        })
    }

    /// The normalised text, for hashers and the policy.
    pub fn expose(&self) -> &str {
        self.normalised.expose_secret()
    }

    /// The text exactly as typed, which is what Django hashed. Use it only to verify such a hash.
    pub fn expose_as_typed(&self) -> &str {
        self.typed
            .as_ref()
            .unwrap_or(&self.normalised)
            .expose_secret()
    }

    /// The length in Unicode code points.
    pub fn length(&self) -> usize {
        self.expose().chars().count()
    }
}

impl fmt::Debug for PlainPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainPassword(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PlainPassword, UnusablePassword> {
        PlainPassword::from_typed(&SecretString::from(text.to_owned()))
    }

    #[test]
    fn composed_and_decomposed_are_one_password() {
        let composed = parse("caf\u{e9} au lait").unwrap();
        let decomposed = parse("cafe\u{301} au lait").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(composed.expose_as_typed(), "caf\u{e9} au lait");
        assert_eq!(decomposed.expose_as_typed(), "cafe\u{301} au lait");
    }

    #[test]
    fn nothing_else_is_changed() {
        for text in ["  spaces  ", "Ｆｕｌｌｗｉｄｔｈ", "ﬁ ligature", "MiXeD"] {
            assert_eq!(parse(text).unwrap().expose(), text);
        }
    }

    #[test]
    fn the_bound_is_in_characters_and_nothing_is_cut() {
        assert_eq!(parse(&"😀".repeat(256)).unwrap().length(), 256);
        let too_long = Err(UnusablePassword::TooLong { maximum: 256 });
        assert_eq!(parse(&"a".repeat(257)).map(|_| ()), too_long);
        assert_eq!(parse(&"a".repeat(1_000_000)).map(|_| ()), too_long);
        assert_eq!(parse("").map(|_| ()), Err(UnusablePassword::Empty));
        assert_eq!(
            parse("a\u{0}b").map(|_| ()),
            Err(UnusablePassword::ControlCharacter)
        );
    }

    #[test]
    fn it_never_shows_itself() {
        assert_eq!(format!("{:?}", parse("hunter2!")), "Ok(PlainPassword(…))");
    }
}
