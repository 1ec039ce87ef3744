//! Time (ADR 0045): a clock that follows the time shared by all nodes, and stored deadlines that move when it goes
//! back.
//!
//! ```text
//! monotonic clock ──▶ ServiceClock ──▶ every rule
//!                          ▲
//!     the store's clock ───┘ every few seconds: forward at once; back by less than a minute, by running slower;
//!                            back by more, once the stored deadlines have moved with it
//! ```

mod clock;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration as StdDuration,
};

use common::{Clock as _, clock::SKEW};
use time::{Duration, OffsetDateTime};
use tokio::sync::watch;

use crate::ports::{SharedTime, StoreError, TimeStore};

pub use clock::{Correction, Reading, ServiceClock};

/// A query that took longer is repeated once.
const SLOW: StdDuration = StdDuration::from_millis(100);
/// The longest interval between two records of the latest time.
const NOTE_EVERY: Duration = Duration::seconds(5);
/// When wall clock and monotonic clock of the machine diverge by more than this, the shared time must be read
/// again.
const MUST_LOOK: Duration = Duration::milliseconds(500);

/// Synchronises a node's clock with the time shared by all nodes.
pub struct Timekeeping {
    clock: Arc<ServiceClock>,
    store: Arc<dyn TimeStore>,
    /// The number of set-backs that this node has followed; `None` before the first reading.
    followed: Mutex<Option<i64>>,
    /// The time that was recorded last, and the number of set-backs then.
    noted: Mutex<Option<(OffsetDateTime, i64)>>,
    figures: Arc<ClockFigures>,
}

/// Clock metrics.
#[derive(Debug, Default)]
pub struct ClockFigures {
    wall_ahead_millis: AtomicI64,
    give_or_take_millis: AtomicU64,
    set_backs: AtomicU64,
    revocations: watch::Sender<i64>,
}

impl ClockFigures {
    /// The deviation of a machine's clock from which it is reported as wrong.
    pub const WRONG: Duration = Duration::seconds(5);

    fn note(&self, ahead: Duration, give_or_take: StdDuration) {
        let ahead = i64::try_from(ahead.whole_milliseconds()).unwrap_or(i64::MAX);
        // Rounded up, because it is an upper bound.
        let bound = u64::try_from(give_or_take.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        self.wall_ahead_millis.store(ahead, Ordering::Relaxed);
        self.give_or_take_millis.store(bound, Ordering::Relaxed);
    }

    /// The maximum error of [`Self::wall_ahead`]: half of the round trip to the store.
    pub fn give_or_take(&self) -> StdDuration {
        StdDuration::from_millis(self.give_or_take_millis.load(Ordering::Relaxed))
    }

    /// How far the machine's clock is ahead of the shared time, if that certainly exceeds [`Self::WRONG`]; negative
    /// when it is behind.
    pub fn wrong_by(&self) -> Option<Duration> {
        let ahead = self.wall_ahead();
        let least = ahead.abs() - self.give_or_take();
        (least > Self::WRONG).then_some(ahead)
    }

    /// How far the machine's wall clock is ahead of the shared time; negative when it is behind.
    pub fn wall_ahead(&self) -> Duration {
        Duration::milliseconds(self.wall_ahead_millis.load(Ordering::Relaxed))
    }

    /// The number of mass revocations, as of the last reading of the shared state. A change means that cached
    /// sessions may have ended.
    pub fn revocations(&self) -> watch::Receiver<i64> {
        self.revocations.subscribe()
    }

    /// How often this node found that time was set back.
    pub fn set_backs(&self) -> u64 {
        self.set_backs.load(Ordering::Relaxed)
    }
}

impl Timekeeping {
    /// Called once, by the composition root.
    pub fn new(
        clock: Arc<ServiceClock>,
        store: Arc<dyn TimeStore>,
        figures: Arc<ClockFigures>,
    ) -> Self {
        Self {
            clock,
            store,
            followed: Mutex::new(None),
            noted: Mutex::new(None),
            figures,
        }
    }

    /// Completes when this node's clock is reported to be wrong.
    pub async fn doubted(&self) {
        self.clock.doubted().await;
    }

    /// Whether the machine's clock was set since the last reading, or the machine slept. This node's time may be
    /// wrong then, and should be checked now.
    pub fn is_in_doubt(&self) -> bool {
        self.clock.jumped() > MUST_LOOK
    }

    /// Reads the shared time and follows it. The first call also considers the latest time that any node recorded,
    /// which reveals a clock that was set back while no node was running.
    ///
    /// # Errors
    /// [`StoreError`]: the clock then continues without correction.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn look(&self) -> Result<(), StoreError> {
        let seen = self.ask().await?;
        self.figures.revocations.send_if_modified(|known| {
            let is_news = *known != seen.revocations;
            *known = seen.revocations;
            is_news
        });
        let reading = self.reading(&seen);
        let now = reading.shared + reading.age;
        self.tell_of_the_machine(now, reading.give_or_take);
        self.clock.note_wall();
        let followed = *self.followed();
        let followed = match followed {
            None => self.begin(&seen, reading, now).await?,
            Some(followed) if followed == seen.set_backs => {
                self.follow(&seen, reading, now).await?
            }
            // Another node has already moved the stored deadlines.
            Some(_) => {
                if let Correction::WentBack(_) = self.clock.correct(reading) {
                    self.clock.set(now);
                }
                seen.set_backs
            }
        };
        *self.followed() = Some(followed);
        self.note(followed).await
    }

    /// Recorded only at intervals, which suffices: a set-back may only be larger by the interval before it is noticed.
    async fn note(&self, followed: i64) -> Result<(), StoreError> {
        let now = self.clock.now();
        let due = match *self.noted() {
            Some((at, of)) => of != followed || now < at || now - at >= NOTE_EVERY,
            None => true,
        };
        if due {
            self.store.note_time(now, followed).await?;
            *self.noted() = Some((now, followed));
        }
        Ok(())
    }

    /// Reads the shared time; repeats the query if it was slow, because half of its duration is the uncertainty.
    async fn ask(&self) -> Result<SharedTime, StoreError> {
        let seen = self.store.shared_time().await?;
        if seen.now.is_none() || seen.round_trip < SLOW {
            return Ok(seen);
        }
        let again = self.store.shared_time().await?;
        Ok(if again.round_trip < seen.round_trip {
            again
        } else {
            let now = seen.now.map(|now| now + again.round_trip);
            SharedTime { now, ..seen }
        })
    }

    /// Records the deviation of the machine's clock. Logs once when it becomes wrong, and once when it is right
    /// again.
    fn tell_of_the_machine(&self, now: OffsetDateTime, give_or_take: StdDuration) {
        let was_wrong = self.figures.wrong_by().is_some();
        let ahead = self.clock.wall() - now;
        self.figures.note(ahead, give_or_take);
        let seconds = ahead.as_seconds_f64();
        match (was_wrong, self.figures.wrong_by()) {
            (false, Some(by)) if by.is_negative() => tracing::warn!(
                seconds,
                "the clock of this machine is behind the time that nodes share, which is gone by"
            ),
            (false, Some(_)) => tracing::warn!(
                seconds,
                "the clock of this machine is ahead of the time that nodes share, which is gone by"
            ),
            (true, None) => tracing::info!(seconds, "the clock of this machine is right again"),
            (true, Some(_)) | (false, None) => {}
        }
    }

    async fn begin(
        &self,
        seen: &SharedTime,
        reading: Reading,
        now: OffsetDateTime,
    ) -> Result<i64, StoreError> {
        let back = seen.latest - now;
        if back > SKEW {
            return self.go_back(now, back, seen.set_backs).await;
        }
        self.clock.set(now.max(seen.latest));
        self.clock.correct(reading);
        Ok(seen.set_backs)
    }

    async fn follow(
        &self,
        seen: &SharedTime,
        reading: Reading,
        now: OffsetDateTime,
    ) -> Result<i64, StoreError> {
        let followed = seen.set_backs;
        match self.clock.correct(reading) {
            Correction::WentBack(by) if seen.latest + NOTE_EVERY <= now + SKEW => {
                // No other node has recorded a later time, so only this node had jumped ahead.
                self.clock.set(now);
                let seconds = by.whole_seconds();
                tracing::warn!(
                    seconds,
                    "this node was ahead of the time that nodes share, and follows it again"
                );
            }
            Correction::WentBack(by) => return self.go_back(now, by, followed).await,
            Correction::Forward(by) if by > SKEW => {
                let seconds = by.whole_seconds();
                tracing::warn!(seconds, "the clock that nodes share went ahead");
            }
            Correction::Forward(_) | Correction::Slower(_) | Correction::None => {}
        }
        Ok(followed)
    }

    /// Returns the number of set-backs that this node has followed then.
    async fn go_back(
        &self,
        now: OffsetDateTime,
        by: Duration,
        followed: i64,
    ) -> Result<i64, StoreError> {
        let is_ours = self.store.go_back(now, by, followed).await?;
        self.clock.set(now);
        let seconds = by.whole_seconds();
        if is_ours {
            self.figures.set_backs.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                seconds,
                "the clock that nodes share was set back; what was outstanding went back with it"
            );
            return Ok(followed + 1);
        }
        tracing::warn!(
            seconds,
            "the clock that nodes share was set back; another node saw to it"
        );
        Ok(followed)
    }

    fn reading(&self, seen: &SharedTime) -> Reading {
        match seen.now {
            Some(shared) => Reading {
                shared,
                age: seen.round_trip / 2,
                give_or_take: seen.round_trip / 2,
            },
            // An embedded store is used by this machine alone.
            None => Reading {
                shared: self.clock.wall(),
                age: StdDuration::ZERO,
                give_or_take: StdDuration::ZERO,
            },
        }
    }

    fn noted(&self) -> MutexGuard<'_, Option<(OffsetDateTime, i64)>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn followed(&self) -> MutexGuard<'_, Option<i64>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
