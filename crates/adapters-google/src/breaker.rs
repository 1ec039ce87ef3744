//! A circuit breaker for a provider that does not answer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};

/// After this many consecutive failures the circuit opens.
const FAILURES: u32 = 5;
/// How long the circuit stays open. After that, the result of a single trial call decides whether it closes.
const REST: Duration = Duration::seconds(10);

/// Counts consecutive failures.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<OffsetDateTime>,
}

impl Breaker {
    /// Whether the provider may be asked at `now`; otherwise how long the circuit stays open. After that time, only one
    /// caller is admitted to try the provider again.
    pub(crate) fn admit(&self, now: OffsetDateTime) -> Result<(), Duration> {
        let mut state = self.lock();
        match state.open_until {
            Some(until) if now < until => Err(until - now),
            Some(_) => {
                state.open_until = Some(now + REST);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether the circuit is open at `now`. Unlike [`Self::admit`], this admits no trial call.
    pub(crate) fn is_open(&self, now: OffsetDateTime) -> bool {
        self.lock().open_until.is_some_and(|until| now < until)
    }

    pub(crate) fn succeeded(&self) {
        *self.lock() = State::default();
    }

    pub(crate) fn failed(&self, now: OffsetDateTime) {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.open_until = Some(now + REST);
        }
    }

    /// A poisoned lock is no problem: the state is plain numbers, and every value of them is valid.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use testkit::clock::START;

    use super::*;

    #[test]
    fn after_five_failures_in_a_row_nobody_asks_and_then_one_does() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.failed(START);
        }
        breaker.succeeded();
        for _ in 0..5 {
            assert_eq!(breaker.admit(START), Ok(()));
            breaker.failed(START);
        }
        assert!(breaker.is_open(START) && !breaker.is_open(START + REST));
        assert_eq!(breaker.admit(START), Err(REST));
        let later = START + REST;
        assert_eq!(
            breaker.admit(later - Duration::SECOND),
            Err(Duration::SECOND)
        );
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(REST), "one is trying");
        breaker.failed(later);
        assert_eq!(breaker.admit(later), Err(REST));
        assert_eq!(breaker.admit(later + REST), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker.admit(later), Ok(()));
    }
}
