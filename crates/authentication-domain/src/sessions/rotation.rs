//! Refresh token rotation: decides what a correctly signed refresh token of a live session means. Clients may
//! lose responses, share a session between tabs or render on the server; theft is still detected.
//!
//! ```text
//!   presented   current   and
//!   g           g         ............................................... rotate: the response is g+1
//!   below p     any       p is the generation of the last proof ......... invalid: the proof replaced it
//!   g           g+1       rotated within the grace period ............... the same response again: g+1
//!   g           g+1       later, with the session's device token, and
//!                         below the forgiveness limits .................. forgiven: the same response again: g+1
//!   g           below g   ............................................... the store lost commits: the response is g+1
//!   any other             ............................................... theft: the session ends (RFC 9700 §4.14.2)
//! ```
//!
//! While g+1 is current, it has not been presented yet: presenting it makes g+2 current.
//!
//! A generation above the current one was issued by a store that has lost it since: it was restored from a
//! backup, or a replica without the latest commits took over (docs/adr/0053). Only this service can issue
//! such a token.

use common::clock;
use time::{Duration, OffsetDateTime};

/// The parameters that tell a retry or a lost response from a theft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotationRules {
    /// How long after a rotation the predecessor gets the same successor again.
    pub grace: Duration,
}

impl Default for RotationRules {
    fn default() -> Self {
        Self {
            grace: Duration::seconds(10),
        }
    }
}

/// The state of a session's chain of refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// The generation that was issued last.
    pub current: u32,
    /// The generation that the last proof started; 0 before the first. Earlier generations get no grace
    /// period and do not count as theft.
    pub proven: u32,
    /// When the current generation was issued, or its predecessor last forgiven.
    pub rotated_at: OffsetDateTime,
    /// The latest forgiven reuses, newest first.
    pub forgiven: [Option<Forgiven>; RotationRules::MOST_FORGIVEN],
}

/// A reuse of a predecessor that was forgiven after the grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forgiven {
    /// When it was forgiven.
    pub at: OffsetDateTime,
    /// The generation that was issued again.
    pub generation: u32,
}

/// The meaning of a correctly signed token of a live session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It was current; its successor is current now.
    Rotated,
    /// It was used within the grace period; the same successor is issued again.
    Repeated,
    /// It was used earlier and the response got lost: the same successor is issued again, and the reuse is
    /// counted.
    Forgiven,
    /// A later proof of the same session replaced it with other tokens.
    EndedByProof,
    /// The store lost the commits that issued it: the chain continues after it.
    Ahead,
    /// It was replaced too long ago, or more than once: a copy of it exists.
    Reused,
}

impl RotationRules {
    /// Maximum number of forgiven reuses, both within [`Self::FORGIVEN_WITHIN`] and within
    /// [`Self::FORGIVEN_GENERATIONS`]. A thief who follows the owner's refreshes needs one every time and is
    /// detected at the fifth.
    pub const MOST_FORGIVEN: usize = 4;
    /// The time window. It detects a thief who follows an owner who is active all day.
    pub const FORGIVEN_WITHIN: Duration = Duration::hours(24);
    /// The window in generations. It detects a thief who follows an owner who is active once a day.
    pub const FORGIVEN_GENERATIONS: u32 = 20;

    /// The reference for the conditional UPDATEs of the stores. `from_its_device` says whether the caller
    /// presented the session's device token.
    ///
    /// If the clock is behind that of the node that rotated (`now < rotated_at`), by at most [`clock::SKEW`],
    /// no time counts as passed.
    pub fn judge(
        &self,
        presented: u32,
        chain: &Chain,
        from_its_device: bool,
        now: OffsetDateTime,
    ) -> Rotation {
        if presented == chain.current {
            Rotation::Rotated
        } else if presented < chain.proven {
            Rotation::EndedByProof
        } else if presented > chain.current {
            Rotation::Ahead
        } else if presented.checked_add(1) != Some(chain.current) {
            Rotation::Reused
        } else if clock::is_within(chain.rotated_at, self.grace, now) {
            Rotation::Repeated
        } else if from_its_device && chain.may_forgive(now) {
            Rotation::Forgiven
        } else {
            Rotation::Reused
        }
    }
}

impl Chain {
    /// Whether neither window has reached the maximum.
    fn may_forgive(&self, now: OffsetDateTime) -> bool {
        let [.., oldest] = self.forgiven;
        oldest.is_none_or(|oldest| {
            let generations_since = self.current.saturating_sub(oldest.generation);
            now - oldest.at >= RotationRules::FORGIVEN_WITHIN
                && generations_since >= RotationRules::FORGIVEN_GENERATIONS
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    fn chain(current: u32) -> Chain {
        Chain {
            current,
            proven: 0,
            rotated_at: NOW,
            forgiven: [None; 4],
        }
    }

    fn after(seconds: i64) -> OffsetDateTime {
        NOW + Duration::seconds(seconds)
    }

    #[test]
    fn without_the_device_the_predecessor_counts_within_the_grace_time_only() {
        let rules = RotationRules::default();
        let judge = |presented, seconds| rules.judge(presented, &chain(5), false, after(seconds));
        assert_eq!(judge(5, 1000), Rotation::Rotated);
        assert_eq!(judge(4, 9), Rotation::Repeated);
        assert_eq!(judge(4, -60), Rotation::Repeated, "a clock that lags");
        assert_eq!(judge(4, -61), Rotation::Reused, "a time that nobody knows");
        assert_eq!(judge(4, 10), Rotation::Reused);
        assert_eq!(judge(3, 0), Rotation::Reused, "two back inside the window");
        assert_eq!(judge(6, 0), Rotation::Ahead, "after lost commits");
    }

    #[test]
    fn from_its_device_the_predecessor_is_forgiven_later_and_no_other() {
        let rules = RotationRules::default();
        let judge = |presented, seconds| rules.judge(presented, &chain(5), true, after(seconds));
        assert_eq!(judge(4, 9), Rotation::Repeated, "not counted");
        assert_eq!(judge(4, 10), Rotation::Forgiven);
        assert_eq!(judge(4, 86_400 * 13), Rotation::Forgiven);
        assert_eq!(judge(3, 10), Rotation::Reused);
        assert_eq!(judge(6, 10), Rotation::Ahead);
    }

    #[test]
    fn the_fifth_in_a_day_and_the_fifth_in_twenty_generations_is_theft() {
        let rules = RotationRules::default();
        let day = Duration::DAY;
        let moment = Duration::MICROSECOND;
        for (since, generations, verdict) in [
            (day, 20, Rotation::Forgiven),
            (day - moment, 20, Rotation::Reused),
            (day, 19, Rotation::Reused),
            (13 * day, 19, Rotation::Reused),
            (day - moment, 200, Rotation::Reused),
        ] {
            let now = after(86_400 * 20);
            let oldest = Forgiven {
                at: now - since,
                generation: 300 - generations,
            };
            let full = Chain {
                forgiven: [Some(oldest); 4],
                ..chain(300)
            };
            let case = format!("{since}, {generations}");
            assert_eq!(rules.judge(299, &full, true, now), verdict, "{case}");
            let three = Chain {
                forgiven: [Some(oldest), Some(oldest), Some(oldest), None],
                ..full
            };
            assert_eq!(rules.judge(299, &three, true, now), Rotation::Forgiven);
        }
    }

    #[test]
    fn what_a_proof_ended_is_neither_repeated_nor_forgiven_nor_theft() {
        let rules = RotationRules::default();
        let chain = Chain {
            proven: 5,
            ..chain(5)
        };
        for presented in 0..5 {
            for from_its_device in [false, true] {
                let verdict = rules.judge(presented, &chain, from_its_device, NOW);
                assert_eq!(verdict, Rotation::EndedByProof, "{presented}");
            }
        }
        assert_eq!(rules.judge(5, &chain, false, NOW), Rotation::Rotated);
    }

    proptest! {
        #[test]
        fn only_the_current_the_one_before_and_later_ones_are_ever_honoured(
            presented: u32, current: u32, proven: u32, from_its_device: bool, late in 0i64..100,
        ) {
            let chain = Chain { proven, ..chain(current) };
            let rotation = RotationRules::default().judge(presented, &chain, from_its_device, after(late));
            match rotation {
                Rotation::Rotated => prop_assert_eq!(presented, current),
                Rotation::Repeated | Rotation::Forgiven => {
                    prop_assert!(presented.checked_add(1) == Some(current) && presented >= proven);
                }
                Rotation::EndedByProof => prop_assert!(presented < proven),
                Rotation::Ahead => prop_assert!(presented > current && presented >= proven),
                Rotation::Reused => prop_assert!(presented < current),
            }
        }
    }
}
