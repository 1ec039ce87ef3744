//! When a message is retried, and when it is given up.

use common::{SecureRandom, random, retry_after};
use time::Duration;

/// The first pause. Each further pause is this plus the sum of all earlier ones, so that pauses double up to a
/// bound.
const FIRST: Duration = Duration::seconds(2);
/// The longest pause of a code, which is valid for minutes.
const LONGEST_OF_A_CODE: Duration = Duration::MINUTE;
/// The longest pause of a notice, which has days: at least half an hour (RFC 5321 §4.5.4.1).
const LONGEST_OF_A_NOTICE: Duration = Duration::HOUR;
/// How long a notice is retried before it is parked for an operator (RFC 5321 §4.5.4.1).
pub(super) const NOTICE_IS_TRIED_FOR: Duration = Duration::days(5);
/// What an attempt with an unknown result counts for. Eight of them use up the five days, because each may have
/// reached the person.
pub(super) const UNSURE_COUNTS_FOR: Duration = Duration::hours(16);

/// What is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// A code, or the notice that replaces it for its recipient.
    Code,
    /// A notice.
    Notice,
    /// A notice that may have been sent.
    UnsureNotice,
}

/// The pause after a failure, when the pauses so far sum up to `put_off_for`.
///
/// Jitter: the pause is chosen between half and all of its nominal length, so that messages that failed together
/// are not retried together. A longer time requested by the provider is respected, up to [`retry_after::LONGEST`].
pub(super) fn pause(
    what: Tried,
    put_off_for: Duration,
    asked_for: Option<Duration>,
    random: &dyn SecureRandom,
) -> Duration {
    let doubled = put_off_for.saturating_add(FIRST);
    let whole = match what {
        Tried::Code => doubled.min(LONGEST_OF_A_CODE),
        Tried::Notice => doubled.min(LONGEST_OF_A_NOTICE),
        // The person may have received it: only the first repetition is soon.
        Tried::UnsureNotice if put_off_for < UNSURE_COUNTS_FOR => Duration::MINUTE,
        Tried::UnsureNotice => LONGEST_OF_A_NOTICE,
    };
    let pause = half_to_whole(whole, random);
    asked_for.map_or(pause, |asked_for| {
        let asked_for = asked_for.min(retry_after::LONGEST) + half_to_whole(FIRST, random);
        asked_for.max(pause)
    })
}

/// A random duration between half and all of `duration` (jitter).
pub(super) fn half_to_whole(duration: Duration, random: &dyn SecureRandom) -> Duration {
    let share = i32::from(u8::from_be_bytes(random::bytes(random)));
    duration / 2 + duration / 2 * share / i32::from(u8::MAX)
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

    /// The pauses of a message that keeps failing, for this long.
    fn pauses(what: Tried, random: u8, tried_for: Duration) -> Vec<Duration> {
        let mut pauses = Vec::new();
        let mut put_off_for = Duration::ZERO;
        while put_off_for < tried_for {
            let pause = pause(what, put_off_for, None, &Fixed(random));
            put_off_for += pause;
            pauses.push(pause);
        }
        pauses
    }

    #[test]
    fn pauses_double_to_a_minute_for_codes_and_to_an_hour_for_notices() {
        let seconds = |what, random| -> Vec<i64> {
            let pauses = pauses(what, random, Duration::hours(3));
            pauses.iter().map(|it| it.whole_seconds()).collect()
        };
        assert_eq!(seconds(Tried::Code, 0xff)[..7], [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(
            seconds(Tried::Notice, 0xff)[9..13],
            [1024, 2048, 3600, 3600]
        );
        assert_eq!(seconds(Tried::Code, 0)[0], 1);
        assert_eq!(seconds(Tried::Code, 0).last(), Some(&30));
        assert_eq!(seconds(Tried::Notice, 0).last(), Some(&1800));
    }

    #[test]
    fn a_notice_is_tried_a_bounded_number_of_times_over_days() {
        let most = pauses(Tried::Notice, 0, NOTICE_IS_TRIED_FOR).len();
        let least = pauses(Tried::Notice, 0xff, NOTICE_IS_TRIED_FOR).len();
        assert!(least > 120 && most < 260, "{least} to {most}");
    }

    #[test]
    fn a_provider_may_ask_for_more_time_within_a_day() {
        let asked = |what, asked| pause(what, Duration::ZERO, Some(asked), &Fixed(0xff));
        assert_eq!(asked(Tried::Code, Duration::MINUTE), Duration::seconds(62));
        let day = Duration::DAY + FIRST;
        assert_eq!(asked(Tried::Notice, Duration::days(900)), day);
        // A request for less than the regular pause does not shorten it.
        let late = pause(
            Tried::Notice,
            Duration::DAY,
            Some(Duration::SECOND),
            &Fixed(0xff),
        );
        assert_eq!(late, LONGEST_OF_A_NOTICE);
    }

    #[test]
    fn what_may_be_out_is_repeated_soon_once_and_then_seldom() {
        let repeated = |put_off_for| pause(Tried::UnsureNotice, put_off_for, None, &Fixed(0xff));
        assert_eq!(repeated(Duration::ZERO), Duration::MINUTE);
        assert_eq!(repeated(UNSURE_COUNTS_FOR), Duration::HOUR);
    }
}
