//! A circuit breaker for an unavailable destination.

use time::Duration;

use super::Outcome;

/// After this many consecutive failures the destination counts as unavailable, rather than the events as bad.
const AWAY_AFTER: u32 = 5;
const FIRST_REST: Duration = Duration::SECOND;
const LONGEST_REST: Duration = Duration::seconds(30);

/// How much a relay sends to one destination: everything while it answers; while it is unavailable, one event after
/// each of ever longer pauses, so that neither the destination is overloaded nor the tries of its events are used
/// up.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    failures: u32,
    rests: u32,
}

impl Pace {
    /// Records the result of an event.
    pub const fn note(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Away => self.failures = self.failures.saturating_add(1),
            Outcome::Delivered | Outcome::Refused | Outcome::Parked => {
                self.failures = 0;
                self.rests = 0;
            }
            // The destination was not contacted.
            Outcome::PassedOver | Outcome::Lost => {}
        }
    }

    /// How many more events may be leased when `under_way` of at most `at_once` are in progress.
    pub const fn room(&self, under_way: u32, at_once: u32) -> u32 {
        let most = if self.rests > 0 { 1 } else { at_once };
        most.saturating_sub(under_way)
    }

    /// How long to pause now, if at all. The next failure leads to a longer pause.
    pub fn rest(&mut self) -> Option<Duration> {
        if self.failures < AWAY_AFTER {
            return None;
        }
        self.failures = AWAY_AFTER - 1;
        let rest = FIRST_REST * 2_i32.pow(self.rests.min(5));
        self.rests = self.rests.saturating_add(1);
        Some(rest.min(LONGEST_REST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(pace: &mut Pace, outcome: Outcome, times: u32) {
        (0..times).for_each(|_| pace.note(outcome));
    }

    #[test]
    fn a_destination_that_is_away_is_asked_less_and_less_and_one_event_at_a_time() {
        let mut pace = Pace::default();
        noted(&mut pace, Outcome::Away, 4);
        assert_eq!((pace.rest(), pace.room(2, 32)), (None, 30));
        // All concurrent events fail together: that is one reason to pause, not many.
        noted(&mut pace, Outcome::Away, 30);
        let mut rests = Vec::new();
        for _ in 0..8 {
            rests.push(pace.rest().unwrap().whole_seconds());
            assert_eq!((pace.room(0, 32), pace.room(1, 32)), (1, 0));
            assert_eq!(pace.rest(), None, "one failure more is waited for");
            pace.note(Outcome::Away);
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30]);
        pace.note(Outcome::Delivered);
        assert_eq!((pace.rest(), pace.room(0, 32)), (None, 32));
    }

    #[test]
    fn an_event_that_is_refused_says_that_somebody_is_there() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            noted(&mut pace, Outcome::Away, 4);
            pace.note(Outcome::Refused);
        }
        assert_eq!((pace.rest(), pace.room(0, 8)), (None, 8));
    }
}
