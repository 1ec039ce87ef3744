//! Repeatable randomness for tests. It is not secure.

use std::sync::atomic::{AtomicU64, Ordering};

use common::SecureRandom;

/// Returns the same bytes in the same order for the same seed. No eight bytes occur twice.
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    /// `SplitMix64`'s increment (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

    /// A generator that begins at `seed`.
    pub const fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }

    /// The next eight bytes, as a number.
    pub fn next_u64(&self) -> u64 {
        let mut bits = self.state.fetch_add(Self::STEP, Ordering::Relaxed);
        // The mapping from state to output is one-to-one, so no two calls return the same number.
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// One of `choices`.
    ///
    /// # Panics
    /// When `choices` is empty.
    pub fn pick<'a, T>(&self, choices: &'a [T]) -> &'a T {
        let count = u64::try_from(choices.len()).expect("a countable choice");
        let index = usize::try_from(self.next_u64() % count).expect("an index");
        &choices[index]
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use common::random::bytes;

    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_no_value_twice() {
        let (one, same, other) = (
            SeededRandom::new(1),
            SeededRandom::new(1),
            SeededRandom::new(2),
        );
        let draw =
            |random: &SeededRandom| -> Vec<[u8; 16]> { (0..1000).map(|_| bytes(random)).collect() };
        let drawn = draw(&one);
        assert_eq!(drawn, draw(&same));
        assert_ne!(drawn, draw(&other));
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 1000);
        assert_ne!(
            bytes::<3>(&one),
            bytes::<3>(&one),
            "also buffers that are no multiple of eight"
        );
    }

    #[test]
    fn every_choice_is_picked_at_some_time() {
        let random = SeededRandom::new(3);
        let picked: HashSet<_> = (0..200).map(|_| *random.pick(&[1, 2, 3])).collect();
        assert_eq!(picked, HashSet::from([1, 2, 3]));
    }
}
