//! Refresh tokens that survive lost answers, two tabs and server-side rendering, and still tell theft.
//!
//! A token is `fa_rt_v1.<key id>.<session>.<generation>.<mac>`. No token is stored: the session row holds
//! the current generation, and the mac (under a server key that stays the session's own for its life)
//! makes garbage cheap to refuse and the successor of a generation always the same text.
//!
//! ```text
//!   generation g, g current ......................... rotate: the answer is g+1
//!   generation g, g+1 current, rotated < grace ago ... the same answer again: g+1
//!   any other generation with a good mac ............. theft: the session ends (RFC 9700 §4.14.2)
//! ```

use common::Id;
use time::{Duration, OffsetDateTime};
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

/// The number that decides between a retry and a theft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationRules {
    /// How long after a rotation its predecessor still gets the same successor.
    pub grace: Duration,
}

impl Default for RotationRules {
    fn default() -> Self {
        Self {
            grace: Duration::seconds(10),
        }
    }
}

/// What a correctly signed token of a live session means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It was the current one; its successor is now.
    Rotated,
    /// It was used a moment ago; the same successor is given again.
    Repeated,
    /// It was replaced long ago, or twice over: somebody holds a copy.
    Reused,
}

impl RotationRules {
    /// The reference for what stores do in one conditional UPDATE.
    ///
    /// A clock that runs behind the node that rotated (`now < rotated_at`) counts as no time passed.
    pub fn judge(
        &self,
        presented: u32,
        current: u32,
        rotated_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Rotation {
        if presented == current {
            Rotation::Rotated
        } else if presented.checked_add(1) == Some(current) && now - rotated_at < self.grace {
            Rotation::Repeated
        } else {
            Rotation::Reused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

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

    #[test]
    fn the_predecessor_counts_within_the_grace_time_only() {
        let rules = RotationRules::default();
        let judge =
            |presented, seconds| rules.judge(presented, 5, NOW, NOW + Duration::seconds(seconds));
        assert_eq!(judge(5, 1000), Rotation::Rotated);
        assert_eq!(judge(4, 9), Rotation::Repeated);
        assert_eq!(judge(4, -30), Rotation::Repeated, "a clock that lags");
        assert_eq!(judge(4, 10), Rotation::Reused);
        assert_eq!(judge(3, 0), Rotation::Reused, "two back inside the window");
        assert_eq!(judge(6, 0), Rotation::Reused, "from the future");
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "\\PC{0,300}") {
            if let Some(parsed) = RefreshToken::parse(&text) {
                prop_assert_eq!(parsed.to_text(), text);
            }
        }

        #[test]
        fn only_the_current_and_the_one_before_are_ever_honoured(presented: u32, current: u32, late in 0i64..100) {
            let rotation = RotationRules::default().judge(presented, current, NOW, NOW + Duration::seconds(late));
            if rotation != Rotation::Reused {
                prop_assert!(presented == current || presented.checked_add(1) == Some(current));
            }
        }
    }
}
