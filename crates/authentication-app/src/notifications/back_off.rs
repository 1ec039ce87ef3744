//! When a message is tried again, and when it is given up.

use common::{SecureRandom, random, retry_after};
use time::Duration;

/// The first pause. The others are as long as all before them together, up to a bound: each doubles.
const FIRST: Duration = Duration::seconds(2);
/// Between tries of a code, which has minutes.
const LONGEST_OF_A_CODE: Duration = Duration::MINUTE;
/// Between tries of a notice, which has days: at least half an hour (RFC 5321 §4.5.4.1).
const LONGEST_OF_A_NOTICE: Duration = Duration::HOUR;
/// How long a notice is tried before a person has to look at it (RFC 5321 §4.5.4.1).
pub(super) const NOTICE_IS_TRIED_FOR: Duration = Duration::days(5);
/// What a try counts for of which nobody knows whether the notice went out. Eight of them use up the five days:
/// each may have reached the person.
pub(super) const UNSURE_COUNTS_FOR: Duration = Duration::hours(16);

/// What is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// A code, or what its recipient gets in its place.
    Code,
    /// A notice.
    Notice,
    /// A notice that may have gone out.
    UnsureNotice,
}

/// How long to wait after a failure, when the message was put off for `put_off_for` before.
///
/// Somewhere between the half and the whole of the pause is taken, so that what failed together does not come back
/// together. Whoever asks for longer gets it, up to [`retry_after::LONGEST`].
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
        // The person may have it: only the first repetition is soon.
        Tried::UnsureNotice if put_off_for < UNSURE_COUNTS_FOR => Duration::MINUTE,
        Tried::UnsureNotice => LONGEST_OF_A_NOTICE,
    };
    let pause = half_to_whole(whole, random);
    asked_for.map_or(pause, |asked_for| {
        let asked_for = asked_for.min(retry_after::LONGEST) + half_to_whole(FIRST, random);
        asked_for.max(pause)
    })
}

/// Somewhere between the half and the whole of `duration`.
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

    /// The pauses of something that fails again and again, for so long.
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
        // One that asks for less than its turn is long waits for its turn.
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
