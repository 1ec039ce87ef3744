//! The clock by which every rule is judged (ADR 0045).

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration as StdDuration,
};

use common::{
    Clock,
    clock::{SKEW, truncate_to_micros},
};
use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;

use crate::ports::Ticks;

/// While the clock is ahead of the shared time, it runs slower by one part in this many, so that it never goes
/// back.
const SLOWER_BY: u32 = 10;
/// Deviations up to this are not corrected.
const CLOSE_ENOUGH: Duration = Duration::milliseconds(5);

/// The shared time at one moment of the local clock.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The shared time.
    pub shared: OffsetDateTime,
    /// How long ago that was.
    pub age: StdDuration,
    /// The uncertainty: half of the round trip that the query took.
    pub give_or_take: StdDuration,
}

/// The effect of a [`Reading`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Correction {
    /// No deviation, so no correction.
    None,
    /// The clock was behind by this much, and was set forward.
    Forward(Duration),
    /// The clock is ahead by this much, and runs slower until it no longer is.
    Slower(Duration),
    /// The shared time went back by this much, more than clocks may differ. Nothing was changed: stored deadlines
    /// must be moved first, and then [`ServiceClock::set`] must be called.
    WentBack(Duration),
}

/// A clock that never goes back unless it is set. It starts at the wall clock, advances with the monotonic clock
/// regardless of later changes of the wall clock, and is corrected by the time shared by all nodes.
pub struct ServiceClock {
    ticks: Box<dyn Ticks>,
    anchor: Mutex<Anchor>,
    /// The wall clock's time at which the monotonic clock read zero. It changes when one of the clocks is set or
    /// stops.
    began: Mutex<OffsetDateTime>,
    /// Notified when the clock was found to be wrong.
    doubted: Notify,
    /// Notified when the clock was compared with the shared time.
    compared: Notify,
}

/// The origin from which time is counted.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: OffsetDateTime,
    tick: StdDuration,
    /// How far it is ahead of the shared time at that point.
    ahead: Duration,
}

impl Anchor {
    fn now(&self, tick: StdDuration) -> OffsetDateTime {
        let passed = tick.saturating_sub(self.tick);
        let held_back = self.ahead.min(to_duration(passed / SLOWER_BY));
        self.at + to_duration(passed) - held_back
    }

    fn ahead(&self, tick: StdDuration) -> Duration {
        let passed = tick.saturating_sub(self.tick);
        (self.ahead - to_duration(passed / SLOWER_BY)).max(Duration::ZERO)
    }
}

impl std::fmt::Debug for ServiceClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceClock")
            .field("anchor", &*self.lock())
            .finish_non_exhaustive()
    }
}

impl ServiceClock {
    /// Starts at the machine's wall clock.
    pub fn new(ticks: Box<dyn Ticks>) -> Self {
        let anchor = Anchor {
            at: truncate_to_micros(ticks.wall()),
            tick: ticks.elapsed(),
            ahead: Duration::ZERO,
        };
        let began = Mutex::new(beginning(ticks.as_ref()));
        Self {
            ticks,
            anchor: Mutex::new(anchor),
            began,
            doubted: Notify::new(),
            compared: Notify::new(),
        }
    }

    /// Reports that the clock deviates from the shared time by more than allowed, so that it is compared at once.
    pub fn doubt(&self) {
        self.doubted.notify_one();
    }

    /// Completes when [`Self::doubt`] is called.
    pub async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Completes at the next comparison with the shared time.
    pub fn corrected(&self) -> impl Future<Output = ()> + '_ {
        self.compared.notified()
    }

    /// By how much the wall clock has moved against the monotonic one since [`Self::note_wall`].
    pub fn jumped(&self) -> Duration {
        let began = *self.began.lock().unwrap_or_else(PoisonError::into_inner);
        (beginning(self.ticks.as_ref()) - began).abs()
    }

    /// Restarts the measurement of [`Self::jumped`].
    pub fn note_wall(&self) {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = beginning(self.ticks.as_ref());
    }

    /// The machine's wall clock, which is the shared time for an embedded store.
    pub fn wall(&self) -> OffsetDateTime {
        truncate_to_micros(self.ticks.wall())
    }

    /// Compares the clock with the shared time, and makes the corrections that need no step back.
    pub fn correct(&self, reading: Reading) -> Correction {
        let correction = self.correct_in_silence(reading);
        if !matches!(correction, Correction::WentBack(_)) {
            self.compared.notify_waiters();
        }
        correction
    }

    fn correct_in_silence(&self, reading: Reading) -> Correction {
        let tick = self.ticks.elapsed();
        let mut anchor = self.lock();
        let ours = anchor.now(tick);
        let theirs = truncate_to_micros(reading.shared + to_duration(reading.age));
        let ahead = ours - theirs;
        let set = |at, ahead| Anchor { at, tick, ahead };
        if ahead.abs() <= CLOSE_ENOUGH.max(to_duration(reading.give_or_take)) {
            Correction::None
        } else if ahead.is_negative() {
            *anchor = set(theirs, Duration::ZERO);
            Correction::Forward(-ahead)
        } else if ahead <= SKEW {
            *anchor = set(ours, ahead);
            Correction::Slower(ahead)
        } else {
            Correction::WentBack(ahead)
        }
    }

    /// Sets the clock, forward or back. When it goes back, stored deadlines must have been moved before.
    pub fn set(&self, now: OffsetDateTime) {
        let tick = self.ticks.elapsed();
        *self.lock() = Anchor {
            at: truncate_to_micros(now),
            tick,
            ahead: Duration::ZERO,
        };
        self.compared.notify_waiters();
    }

    /// How far the clock is ahead of the shared time, as far as known.
    pub fn ahead(&self) -> Duration {
        let tick = self.ticks.elapsed();
        self.lock().ahead(tick)
    }

    fn lock(&self) -> MutexGuard<'_, Anchor> {
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ServiceClock {
    fn now(&self) -> OffsetDateTime {
        let anchor = self.lock();
        // Read under the lock, so that a later caller never gets an earlier time.
        truncate_to_micros(anchor.now(self.ticks.elapsed()))
    }
}

fn beginning(ticks: &dyn Ticks) -> OffsetDateTime {
    ticks.wall() - to_duration(ticks.elapsed())
}

fn to_duration(duration: StdDuration) -> Duration {
    Duration::try_from(duration).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    #[derive(Clone)]
    struct Fake(Arc<Mutex<(OffsetDateTime, StdDuration)>>);

    impl Fake {
        fn new() -> Self {
            Self(Arc::new(Mutex::new((START, StdDuration::ZERO))))
        }

        fn pass(&self, seconds: u64) {
            let mut it = self.0.lock().unwrap();
            it.0 += StdDuration::from_secs(seconds);
            it.1 += StdDuration::from_secs(seconds);
        }

        fn set_wall(&self, wall: OffsetDateTime) {
            self.0.lock().unwrap().0 = wall;
        }
    }

    impl Ticks for Fake {
        fn wall(&self) -> OffsetDateTime {
            self.0.lock().unwrap().0
        }

        fn elapsed(&self) -> StdDuration {
            self.0.lock().unwrap().1
        }
    }

    fn clock() -> (Fake, ServiceClock) {
        let fake = Fake::new();
        (fake.clone(), ServiceClock::new(Box::new(fake)))
    }

    fn reading(shared: OffsetDateTime) -> Reading {
        Reading {
            shared,
            age: StdDuration::ZERO,
            give_or_take: StdDuration::ZERO,
        }
    }

    #[test]
    fn it_passes_whatever_the_wall_clock_does() {
        let (fake, clock) = clock();
        for hours in [-24, -1, 0, 1, 24, 24_000] {
            let before = clock.now();
            fake.set_wall(START + Duration::hours(hours));
            assert_eq!(clock.now(), before);
            fake.pass(7);
            assert_eq!(clock.now(), before + Duration::seconds(7));
        }
    }

    #[test]
    fn a_wall_clock_that_jumps_is_noticed_and_one_that_passes_is_not() {
        let (fake, clock) = clock();
        fake.pass(3_600);
        assert_eq!(clock.jumped(), Duration::ZERO);
        for off in [-90, 90] {
            let wall = fake.wall();
            fake.set_wall(wall + Duration::seconds(off));
            assert_eq!(clock.jumped(), Duration::seconds(90), "{off}");
            clock.note_wall();
            assert_eq!(clock.jumped(), Duration::ZERO);
        }
    }

    #[test]
    fn a_clock_that_is_behind_is_set_and_one_that_is_ahead_waits() {
        let (fake, clock) = clock();
        let later = START + Duration::hours(3);
        assert_eq!(
            clock.correct(reading(later)),
            Correction::Forward(Duration::hours(3))
        );
        assert_eq!(clock.now(), later);
        let ahead = Duration::seconds(30);
        let slower = clock.correct(reading(later - ahead));
        assert_eq!(slower, Correction::Slower(ahead));
        assert_eq!((clock.now(), clock.ahead()), (later, ahead));
        fake.pass(100);
        assert_eq!(clock.now(), later + Duration::seconds(90));
        assert_eq!(clock.ahead(), Duration::seconds(20));
        fake.pass(300);
        assert_eq!(clock.now(), later + Duration::seconds(370));
        assert_eq!(clock.ahead(), Duration::ZERO);
    }

    #[test]
    fn a_shared_time_that_went_back_is_told_and_changes_nothing() {
        let (_, clock) = clock();
        for back in [
            SKEW + Duration::SECOND,
            Duration::hours(1),
            Duration::days(1),
        ] {
            let told = clock.correct(reading(START - back));
            assert_eq!(told, Correction::WentBack(back));
            assert_eq!(clock.now(), START);
        }
        clock.set(START - Duration::days(1));
        assert_eq!(clock.now(), START - Duration::days(1));
    }

    #[test]
    fn what_a_round_trip_cannot_tell_is_no_correction() {
        let (_, clock) = clock();
        let vague = Reading {
            shared: START - Duration::seconds(2),
            age: StdDuration::from_secs(1),
            give_or_take: StdDuration::from_secs(1),
        };
        assert_eq!(clock.correct(vague), Correction::None);
        assert_eq!(clock.now(), START);
    }

    proptest! {
        /// The clock never goes back unless it is set, and is never further ahead than it was measured to be.
        #[test]
        fn it_never_goes_back(steps in prop::collection::vec((0u64..1_000, -100_000i64..100_000), 1..40)) {
            let (fake, clock) = clock();
            for (passed, off) in steps {
                let before = clock.now();
                fake.pass(passed);
                fake.set_wall(START + Duration::seconds(off));
                let now = clock.now();
                prop_assert!(now >= before);
                prop_assert!(now <= before + StdDuration::from_secs(passed));
                let _ = clock.correct(reading(now + Duration::seconds(off)));
                prop_assert!(clock.now() >= now);
            }
        }
    }
}
