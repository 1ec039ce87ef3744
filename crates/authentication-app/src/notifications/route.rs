//! Sparing a provider that takes nothing now.
//!
//! Only failures that have nothing to do with a message count, so that no recipient can hold up the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};

use crate::ports::{DeliveryError, LONGEST_SENDING};

/// So many failures in a row say that a provider who does not answer is away.
const AWAY_AFTER: u32 = 3;
const FIRST_REST: Duration = Duration::SECOND;
const LONGEST_REST: Duration = Duration::seconds(30);

/// The way to the provider of one channel, as this node sees it. While it rests, messages are put off without
/// asking; after each rest one message tries, and the others wait for what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Route(Mutex<State>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    failures: u32,
    rests: u32,
    until: Option<OffsetDateTime>,
    /// The wait is for a message that tries, and not a rest.
    is_tried: bool,
}

impl State {
    fn wait(&self, now: OffsetDateTime) -> Option<Duration> {
        let wait = self.until? - now;
        // Longer than any: the clock was set back meanwhile.
        let waits = wait.is_positive() && wait <= LONGEST_SENDING;
        // Most trials end sooner than they may.
        let wait = if self.is_tried { FIRST_REST } else { wait };
        waits.then_some(wait)
    }
}

impl Route {
    /// How long messages have to wait, if they do.
    pub(super) fn wait(&self, now: OffsetDateTime) -> Option<Duration> {
        self.state().wait(now)
    }

    /// Lets a message through, or says how long it has to wait. After a rest the first one that asks is let through,
    /// and the others ask again until [`Self::note`] says what became of it, or its sending cannot last any longer.
    pub(super) fn enter(&self, now: OffsetDateTime) -> Result<(), Duration> {
        let mut state = self.state();
        if let Some(wait) = state.wait(now) {
            return Err(wait);
        }
        if state.rests > 0 {
            state.until = Some(now + LONGEST_SENDING);
            state.is_tried = true;
        }
        Ok(())
    }

    /// What became of a message that was let through. The rest that begins with it, if one does.
    pub(super) fn note(
        &self,
        answer: &Result<(), DeliveryError>,
        now: OffsetDateTime,
    ) -> Option<Duration> {
        let mut state = self.state();
        let Err(DeliveryError::Away { status, .. }) = answer else {
            *state = State::default();
            return None;
        };
        state.failures = state.failures.saturating_add(1);
        // Whoever says so is believed at once, and so is the trial after a rest.
        let is_away = status.is_some() || state.rests > 0 || state.failures >= AWAY_AFTER;
        // What was under way when the rest began is no trial.
        let rests_already = state.wait(now).is_some() && !state.is_tried;
        if !is_away || rests_already {
            return None;
        }
        let rest = (FIRST_REST * 2_i32.pow(state.rests.min(5))).min(LONGEST_REST);
        state.rests = state.rests.saturating_add(1);
        state.until = Some(now + rest);
        state.is_tried = false;
        Some(rest)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);
    const UNREACHED: Result<(), DeliveryError> = Err(DeliveryError::UNREACHED);
    const CLOSING: Result<(), DeliveryError> = Err(DeliveryError::Away {
        status: Some(421),
        retry_after: None,
    });

    #[test]
    fn one_message_tries_after_each_rest_and_the_others_wait_for_it() {
        let route = Route::default();
        let mut now = NOW;
        assert_eq!(route.note(&UNREACHED, now), None);
        assert_eq!(route.note(&UNREACHED, now), None);
        let mut rests = Vec::new();
        for _ in 0..8 {
            let rest = route.note(&UNREACHED, now).expect("it rests");
            // Others that were under way fail with it.
            assert_eq!(route.note(&UNREACHED, now), None);
            assert_eq!((route.wait(now), route.enter(now)), (Some(rest), Err(rest)));
            rests.push(rest.whole_seconds());
            now += rest;
            assert_eq!(route.enter(now), Ok(()));
            assert_eq!(route.enter(now), Err(FIRST_REST));
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(route.note(&Ok(()), now), None);
        assert_eq!((route.enter(now), route.enter(now)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_provider_that_says_so_rests_at_once_and_no_recipient_makes_it_rest() {
        let route = Route::default();
        for answer in [
            DeliveryError::NotTaken {
                status: Some(451),
                retry_after: Some(Duration::DAY),
            },
            DeliveryError::Refused { status: Some(550) },
        ] {
            for _ in 0..10 {
                assert_eq!(route.note(&UNREACHED, NOW), None);
                assert_eq!(route.note(&Err(answer), NOW), None);
            }
        }
        assert_eq!(route.wait(NOW), None);
        assert_eq!(route.note(&CLOSING, NOW), Some(FIRST_REST));
    }

    #[test]
    fn a_trial_that_ends_nowhere_and_a_clock_that_goes_back_hold_up_nobody_for_long() {
        let route = Route::default();
        let rest = route.note(&CLOSING, NOW).expect("it rests");
        assert_eq!(route.wait(NOW - Duration::DAY), None);
        let now = NOW + rest;
        assert_eq!(route.enter(now), Ok(()));
        let just_before = now + LONGEST_SENDING - Duration::MICROSECOND;
        assert_eq!(route.enter(just_before), Err(FIRST_REST));
        assert_eq!(route.enter(now + LONGEST_SENDING), Ok(()));
    }
}
