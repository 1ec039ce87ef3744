//! Back-off between retries.

use common::{SecureRandom, random};
use time::Duration;

/// Exponential back-off with a jitter of up to a fifth in either direction, so that operations that failed together
/// are not retried together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BackOff {
    pub(crate) first: Duration,
    /// The longest pause, before jitter.
    pub(crate) longest: Duration,
}

impl BackOff {
    /// The pause after a failure that was preceded by `failures_before` others.
    pub(crate) fn pause(&self, failures_before: u32, random: &dyn SecureRandom) -> Duration {
        let doubled = self.first * 2_i32.pow(failures_before.min(20));
        let share = f64::from(u16::from_be_bytes(random::bytes(random))) / f64::from(u16::MAX);
        doubled.min(self.longest) * (0.8 + 0.4 * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl SecureRandom for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    #[test]
    fn pauses_double_to_the_longest_and_differ_by_a_fifth() {
        let back_off = BackOff {
            first: Duration::SECOND,
            longest: Duration::HOUR,
        };
        let seconds = |failures, random| back_off.pause(failures, &Fixed(random)).as_seconds_f64();
        let close = |left: f64, right: f64| (left - right).abs() < 1e-6;
        assert!(close(seconds(0, 0), 0.8) && close(seconds(0, 0xff), 1.2));
        assert!(close(seconds(3, 0), 6.4) && close(seconds(3, 0xff), 9.6));
        assert!(close(seconds(12, 0xff), 4_320.0) && close(seconds(u32::MAX, 0), 2_880.0));
    }
}
