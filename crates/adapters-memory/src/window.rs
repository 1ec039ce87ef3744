//! A sliding window of counted calls, in sixty parts.
//!
//! A window records how many calls fell into each sixtieth (part) of its length, in sixty-one numbers at most,
//! regardless of the quota. A call counts until its part lies entirely more than one window length in the past, so:
//!
//! - no span of the window's length ever sees more calls than the quota;
//! - a call counts for the length of the window, and up to a sixtieth longer;
//! - of `n` simultaneous calls on a fresh window exactly `min(n, quota)` are allowed.
//!
//! The counters in Redis follow the same rule. So a node that falls back to its own counters changes only which calls
//! are counted together.

use authentication_app::ports::ThrottleOutcome;
use time::Duration;

const PARTS: i64 = 60;

/// The length of one part of a window in whole milliseconds, rounded up so that sixty parts cover the window.
pub(crate) fn part_width(window: Duration) -> i64 {
    let millis = i64::try_from(window.whole_milliseconds()).unwrap_or(i64::MAX);
    millis
        .div_euclid(PARTS)
        .saturating_add(i64::from(millis.rem_euclid(PARTS) != 0))
        .max(1)
}

/// The calls counted under one key. Times are milliseconds since the epoch.
pub(crate) struct Window {
    width: i64,
    parts: Vec<Part>,
}

struct Part {
    number: i64,
    calls: u32,
}

impl Window {
    pub(crate) fn new(width: i64) -> Self {
        Self {
            width,
            parts: Vec::new(),
        }
    }

    /// The state of the window, and whether it would admit one more call.
    pub(crate) fn judge(&self, quota: u32, now: i64) -> ThrottleOutcome {
        let counted = self.counted(now);
        if counted < quota {
            return self.allowed(quota - counted, now);
        }
        ThrottleOutcome {
            allowed: false,
            remaining: 0,
            reset_after: Duration::milliseconds(self.room_at(counted, quota, now) - now),
        }
    }

    /// Counts a call that [`Self::judge`] allowed.
    pub(crate) fn count(&mut self, now: i64) {
        let current = now.div_euclid(self.width);
        self.parts.retain(|part| is_live(part.number, current));
        match self.parts.iter_mut().find(|part| part.number == current) {
            Some(part) => part.calls += 1,
            None => self.parts.push(Part {
                number: current,
                calls: 1,
            }),
        }
    }

    /// The state of the window after a call was counted.
    pub(crate) fn after_counting(&self, quota: u32, now: i64) -> ThrottleOutcome {
        self.allowed(quota.saturating_sub(self.counted(now)), now)
    }

    /// When the last counted call expires.
    pub(crate) fn idle_from(&self) -> i64 {
        self.parts
            .iter()
            .map(|part| self.end_of(part.number))
            .max()
            .unwrap_or(i64::MIN)
    }

    fn allowed(&self, remaining: u32, now: i64) -> ThrottleOutcome {
        let whole_at = self
            .live_parts(now)
            .map(|part| self.end_of(part.number))
            .max();
        ThrottleOutcome {
            allowed: true,
            remaining,
            reset_after: Duration::milliseconds(whole_at.map_or(0, |at| at - now)),
        }
    }

    /// When enough calls have expired that one more is allowed. With a quota of zero that never happens, and the answer
    /// is one window length from now.
    fn room_at(&self, counted: u32, quota: u32, now: i64) -> i64 {
        let mut parts: Vec<&Part> = self.live_parts(now).collect();
        parts.sort_unstable_by_key(|part| part.number);
        let mut left = counted;
        parts
            .into_iter()
            .find_map(|part| {
                left -= part.calls;
                (left < quota).then(|| self.end_of(part.number))
            })
            .unwrap_or(now + self.width * PARTS)
    }

    fn counted(&self, now: i64) -> u32 {
        self.live_parts(now).map(|part| part.calls).sum()
    }

    fn live_parts(&self, now: i64) -> impl Iterator<Item = &Part> {
        let current = now.div_euclid(self.width);
        self.parts
            .iter()
            .filter(move |part| is_live(part.number, current))
    }

    /// When the calls of this part stop counting.
    fn end_of(&self, number: i64) -> i64 {
        (number + PARTS + 1) * self.width
    }
}

/// Parts in the future exist when the clock was set back. They count, so that the change frees no calls, unless they
/// are so far ahead that the clock must have been wrong before.
fn is_live(number: i64, current: i64) -> bool {
    (current - PARTS..=current + PARTS).contains(&number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    fn window() -> Window {
        Window::new(part_width(Duration::minutes(1)))
    }

    #[test]
    fn sixty_parts_cover_any_window() {
        for millis in [1, 59, 60, 61, 1_000, 60_000, 3_600_000] {
            let width = part_width(Duration::milliseconds(millis));
            assert!(
                width * PARTS >= millis,
                "{millis} ms in parts of {width} ms"
            );
        }
    }

    #[test]
    fn a_window_takes_no_more_room_than_it_has_parts() {
        let mut window = window();
        for now in (0..10 * MINUTE).step_by(7) {
            window.count(now);
        }
        assert_eq!(window.parts.len(), 61);
        assert_eq!(window.idle_from(), 11 * MINUTE);
    }

    #[test]
    fn a_clock_set_back_frees_nobody_and_one_set_right_does() {
        let mut window = window();
        window.count(MINUTE);
        assert!(!window.judge(1, MINUTE - 30_000).allowed);
        assert!(
            window.judge(1, -MINUTE).allowed,
            "the clock was wrong by more than a window"
        );
    }

    #[test]
    fn a_quota_of_nothing_allows_nothing() {
        let outcome = window().judge(0, 0);
        assert!(!outcome.allowed);
        assert_eq!(outcome.reset_after, Duration::minutes(1));
    }

    #[test]
    fn a_quota_that_was_lowered_waits_until_enough_has_left() {
        let mut window = window();
        for now in [0, 10_000, 20_000] {
            window.count(now);
        }
        assert_eq!(window.judge(2, 20_000).reset_after, Duration::seconds(51));
        assert_eq!(window.judge(1, 20_000).reset_after, Duration::seconds(61));
    }
}
