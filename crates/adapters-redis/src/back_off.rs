//! Exponential back-off with jitter for reconnecting to a server that did not answer.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(100);

/// Short, because a server that has recovered may stay unused for this long.
const LONGEST: Duration = Duration::from_secs(1);

/// The pause after `failures` consecutive failures. It doubles with each failure, up to one second. Up to half of it is
/// subtracted at random (jitter), so that nodes that lost the same server do not reconnect in step.
pub(crate) fn pause(failures: u32) -> Duration {
    let longest = FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST);
    // Jitter protects no secret: the random keys of the hasher are random enough.
    let share = u32::try_from(RandomState::new().hash_one(failures) % 1_000).unwrap_or(0);
    longest / 2 + longest / 2 * share / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_differ() {
        for failures in 0..100 {
            let pause = pause(failures);
            assert!(
                pause >= FIRST / 2 && pause <= LONGEST,
                "{pause:?} after {failures} failures"
            );
        }
        assert!(pause(50) >= LONGEST / 2);
        assert!((0..100).any(|_| pause(5) != pause(5)));
    }
}
