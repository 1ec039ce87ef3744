//! A circuit breaker for the provider of each channel.
//!
//! Only failures that are unrelated to a message count, so that no single recipient can delay the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};

use crate::ports::{DeliveryError, LONGEST_SENDING};

/// After this many consecutive failures, a provider that does not answer counts as unavailable.
const AWAY_AFTER: u32 = 3;
const FIRST_REST: Duration = Duration::SECOND;
const LONGEST_REST: Duration = Duration::seconds(30);

/// The circuit breaker of one channel, local to this node. While it is open, messages are postponed without
/// contacting the provider. After each pause one message probes it, and the others wait for the result.
#[derive(Debug, Default)]
pub(super) struct Route(Mutex<State>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    failures: u32,
    rests: u32,
    until: Option<OffsetDateTime>,
    /// Whether the wait is for a probing message instead of a pause.
    is_tried: bool,
}

impl State {
    fn wait(&self, now: OffsetDateTime) -> Option<Duration> {
        let wait = self.until? - now;
        // Longer than any possible wait: the clock was set back meanwhile.
        let waits = wait.is_positive() && wait <= LONGEST_SENDING;
        // Most probes end sooner than their limit.
        let wait = if self.is_tried { FIRST_REST } else { wait };
        waits.then_some(wait)
    }
}

impl Route {
    /// How long messages must wait now, if at all.
    pub(super) fn wait(&self, now: OffsetDateTime) -> Option<Duration> {
        self.state().wait(now)
    }

    /// Lets a message through, or returns how long it must wait. After a pause, the first message is let through as
    /// a probe. The others ask again until [`Self::note`] has its result, or its send must have timed out.
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

    /// Records the result of a message that was let through. Returns the pause that begins now, if one does.
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
        // An explicit refusal by the provider counts at once, and so does a failed probe.
        let is_away = status.is_some() || state.rests > 0 || state.failures >= AWAY_AFTER;
        // A message that was already being sent when the pause began is not a probe.
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
            // Other messages that were being sent fail as well.
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
