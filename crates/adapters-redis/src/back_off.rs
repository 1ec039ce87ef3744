//! How long to leave a server alone that did not answer.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(100);

/// Short, because it is also the longest that a server which is back stays unused.
const LONGEST: Duration = Duration::from_secs(1);

/// The pause after so many failures in a row: doubled each time up to a second, of which a random half is
/// taken off, so that nodes that lost the same server do not return to it in step.
pub(crate) fn pause(failures: u32) -> Duration {
    let longest = FIRST.saturating_mul(1 << failures.min(10)).min(LONGEST);
    // Spreads, and protects nothing: the hasher's random keys are random enough.
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
