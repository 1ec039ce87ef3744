//! Refresh tokens as clients hold them. What one of a live session means: [`super::RotationRules`].
//!
//! A token is `fa_rt_v1.<key id>.<session>.<generation>.<mac>`. No token is stored: the session row holds
//! the current generation, and the mac (under a server key that stays the session's own for its life)
//! makes garbage cheap to refuse and the successor of a generation always the same text.

use common::Id;
use uuid::Uuid;

use super::SessionId;

/// A refresh token taken apart. That its mac is good is not known yet.
#[derive(Clone)]
pub struct RefreshToken {
    /// Under which key the mac was made.
    pub key_id: String,
    /// Whose session.
    pub session: SessionId,
    /// Which link of the session's chain.
    pub generation: u32,
    /// Over everything before it.
    pub mac: String,
}

impl RefreshToken {
    /// The prefix that secret scanners look for. Never changed.
    pub const PREFIX: &'static str = "fa_rt_v1";
    const MAX_LENGTH: usize = 256;

    /// Takes a text apart; `None` when it cannot be one of ours.
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
        // One spelling only: what differs in case or leading zeros is not what we issued.
        let ours = prefix == Self::PREFIX && parts.next().is_none() && token.to_text() == text;
        ours.then_some(token)
    }

    /// What the mac is over.
    pub fn signed_part(key_id: &str, session: SessionId, generation: u32) -> String {
        format!(
            "{}.{key_id}.{}.{generation}",
            Self::PREFIX,
            session.as_uuid().simple()
        )
    }

    /// The text as clients hold it.
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
