//! The format of refresh tokens. [`super::RotationRules`] decides what a token of a live session means.
//!
//! A token is `fa_rt_v1.<key id>.<session>.<generation>.<mac>`. No token is stored: the session row holds the
//! current generation. The MAC uses a server key that stays the same for the life of the session. It makes
//! forged tokens cheap to refuse, and the successor of a generation is always the same text.

use common::Id;
use uuid::Uuid;

use super::SessionId;

/// The parts of a refresh token whose MAC is not yet verified.
#[derive(Clone)]
pub struct RefreshToken {
    /// The id of the key that made the MAC.
    pub key_id: String,
    /// The session of the token.
    pub session: SessionId,
    /// Its position in the session's chain of tokens.
    pub generation: u32,
    /// MAC over everything before it.
    pub mac: String,
}

impl RefreshToken {
    /// The prefix that secret scanners search for. It never changes.
    pub const PREFIX: &'static str = "fa_rt_v1";
    const MAX_LENGTH: usize = 256;

    /// Splits a token into its parts; `None` when it cannot be a token of this service.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MAX_LENGTH {
            return None;
        }
        let mut parts = text.split('.');
        let (prefix, key_id, session, generation, mac) = (
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
        );
        let canonical_generation = generation.parse::<u32>().ok()?;
        let token = Self {
            key_id: key_id.to_owned(),
            session: Id::from_uuid(Uuid::try_parse(session).ok()?),
            generation: canonical_generation,
            mac: mac.to_owned(),
        };
        // Only one spelling is valid: a token that differs in case or leading zeros was not issued here.
        let ours = prefix == Self::PREFIX && parts.next().is_none() && token.to_text() == text;
        ours.then_some(token)
    }

    /// The text that the MAC covers.
    pub fn signed_part(key_id: &str, session: SessionId, generation: u32) -> String {
        format!(
            "{}.{key_id}.{}.{generation}",
            Self::PREFIX,
            session.as_uuid().simple()
        )
    }

    /// The token text that clients hold.
    pub fn to_text(&self) -> String {
        let signed = Self::signed_part(&self.key_id, self.session, self.generation);
        format!("{signed}.{}", self.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token() -> RefreshToken {
        RefreshToken {
            key_id: "k1".to_owned(),
            session: Id::from_uuid(Uuid::from_u128(0xabc)),
            generation: 7,
            mac: "bWFj".to_owned(),
        }
    }

    #[test]
    fn a_token_has_one_spelling() {
        let text = token().to_text();
        assert_eq!(text, "fa_rt_v1.k1.00000000000000000000000000000abc.7.bWFj");
        assert!(RefreshToken::parse(&text).is_some_and(|it| it.to_text() == text));
        for other in [
            text.replace(".7.", ".07."),
            text.replace(".7.", ".+7."),
            text.replace("abc", "ABC"),
            text.replace("rt", "at"),
            format!("{text}.x"),
            format!(" {text}"),
            text.replace(".7.", ".99999999999."),
        ] {
            assert!(RefreshToken::parse(&other).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,300}") {
            if let Some(parsed) = RefreshToken::parse(&text) {
                prop_assert_eq!(parsed.to_text(), text);
            }
        }
    }
}
