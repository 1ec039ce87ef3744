//! The random number generator of the system.

use common::SecureRandom;

/// The AWS-LC generator: seeded by the operating system, safe with threads and forks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl SecureRandom for SystemRandom {
    #[expect(
        clippy::expect_used,
        reason = "without randomness every key, nonce and token would be guessable: better to stop"
    )]
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the system gives random bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_draws_are_alike() {
        let draw = || common::random::bytes::<32>(&SystemRandom);
        assert_ne!(draw(), draw());
        assert_ne!(draw(), [0; 32]);
    }
}
