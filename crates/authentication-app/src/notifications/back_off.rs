//! When a message is tried again.

use common::{SecureRandom, random};
use time::{Duration, OffsetDateTime};

/// Attempts before a message is parked for a person to look at. The waits between them add up to four
/// minutes at the most, so a code is tried to the last within its lifetime.
pub(super) const MOST_ATTEMPTS: u32 = 8;

const FIRST: Duration = Duration::seconds(2);
/// The longest that a provider can put us off: what it asks for comes from outside.
const LONGEST: Duration = Duration::minutes(15);

/// When to try again after `attempts` failures, or `None` when it was tried often enough.
///
/// The wait doubles from two seconds, and somewhere between its half and its whole is taken, so that what
/// failed together does not come back together. A provider that asks for longer gets it, up to a bound.
pub(super) fn next_attempt(
    attempts: u32,
    asked_for: Option<Duration>,
    now: OffsetDateTime,
    random: &dyn SecureRandom,
) -> Option<OffsetDateTime> {
    if attempts >= MOST_ATTEMPTS {
        return None;
    }
    let whole = FIRST * 2_i32.pow(attempts.saturating_sub(1));
    let asked_for = asked_for.map_or(Duration::ZERO, |asked_for| asked_for.min(LONGEST));
    Some(now + asked_for + half_to_whole(whole, random))
}

/// Somewhere between the half and the whole of `duration`.
pub(super) fn half_to_whole(duration: Duration, random: &dyn SecureRandom) -> Duration {
    let share = i32::from(u8::from_be_bytes(random::bytes(random)));
    duration / 2 + duration / 2 * share / i32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    struct Fixed(u8);

    impl SecureRandom for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0);
        }
    }

    fn wait(attempts: u32, asked_for: Option<Duration>, byte: u8) -> Option<Duration> {
        next_attempt(attempts, asked_for, NOW, &Fixed(byte)).map(|next| next - NOW)
    }

    #[test]
    fn a_failing_message_is_tried_less_and_less_often_and_then_parked() {
        let seconds = |seconds| Some(Duration::seconds(seconds));
        assert_eq!(wait(1, None, 0xff), seconds(2));
        assert_eq!(wait(1, None, 0), seconds(1));
        assert_eq!(wait(4, None, 0xff), seconds(16));
        assert_eq!(wait(4, None, 0), seconds(8));
        assert_eq!(wait(MOST_ATTEMPTS, None, 0), None);
    }

    #[test]
    fn all_tries_of_a_code_fit_into_its_life() {
        let waits: Duration = (1..MOST_ATTEMPTS)
            .filter_map(|attempts| wait(attempts, None, 0xff))
            .sum();
        assert_eq!(waits, Duration::seconds(254));
        let rules = authentication_domain::challenges::ChallengeRules::default();
        assert!(waits < rules.code_lifetime / 2);
    }

    #[test]
    fn a_provider_may_ask_for_more_time_within_bounds() {
        let minute = Some(Duration::MINUTE);
        assert_eq!(wait(1, minute, 0xff), Some(Duration::seconds(62)));
        assert_eq!(
            wait(1, Some(Duration::days(900)), 0xff),
            Some(LONGEST + FIRST)
        );
        assert_eq!(wait(MOST_ATTEMPTS, minute, 0), None);
    }
}
