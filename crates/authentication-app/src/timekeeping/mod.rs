//! Time (ADR 0045): a clock that follows what all nodes share, and what is outstanding when that goes back.
//!
//! ```text
//! monotonic clock ──▶ ServiceClock ──▶ every rule
//!                          ▲
//!     the store's clock ───┘ every few seconds: forward at once; back by less than a minute, slower until it
//!                            is true; back by more, once what is outstanding went back with it
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

/// Keeps a node's clock with the time that all share.
pub struct Timekeeping {
    clock: Arc<ServiceClock>,
    store: Arc<dyn TimeStore>,
    /// How often the time went back, as far as this node has followed; `None` before the first look.
    followed: Mutex<Option<i64>>,
    figures: Arc<ClockFigures>,
}

/// What is told of clocks.
#[derive(Debug, Default)]
pub struct ClockFigures {
    wall_ahead_millis: AtomicI64,
    set_backs: AtomicU64,
    revocations: watch::Sender<i64>,
}

impl ClockFigures {
    /// How far the wall clock of this machine is ahead of the shared time; negative when it is behind.
    pub fn wall_ahead(&self) -> Duration {
        Duration::milliseconds(self.wall_ahead_millis.load(Ordering::Relaxed))
    }

    /// How often sessions were ended by hand, as of the last look at what nodes share. A change means that what is
    /// remembered of sessions may not be true any more.
    pub fn revocations(&self) -> watch::Receiver<i64> {
        self.revocations.subscribe()
    }

    /// How often this node found that the time went back.
    pub fn set_backs(&self) -> u64 {
        self.set_backs.load(Ordering::Relaxed)
    }
}

impl Timekeeping {
    /// Built once by the composition root.
    pub fn new(
        clock: Arc<ServiceClock>,
        store: Arc<dyn TimeStore>,
        figures: Arc<ClockFigures>,
    ) -> Self {
        Self {
            clock,
            store,
            followed: Mutex::new(None),
            figures,
        }
    }

    /// Looks at the shared time, and follows it. The first time also at the latest time that anybody noted, which
    /// tells of a clock that was set back while nobody looked.
    ///
    /// # Errors
    /// [`StoreError`]: then the clock goes on by itself.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn look(&self) -> Result<(), StoreError> {
        let seen = self.store.shared_time().await?;
        self.figures.revocations.send_if_modified(|known| {
            let is_news = *known != seen.revocations;
            *known = seen.revocations;
            is_news
        });
        let reading = self.reading(&seen);
        let now = reading.shared + reading.age;
        let ahead = (self.clock.wall() - now).whole_milliseconds();
        let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
        self.figures
            .wall_ahead_millis
            .store(ahead, Ordering::Relaxed);
        let followed = *self.followed();
        let followed = match followed {
            None => self.begin(&seen, reading, now).await?,
            Some(followed) if followed == seen.set_backs => {
                self.follow(reading, now, followed).await?
            }
            // Another node has brought along what is outstanding.
            Some(_) => {
                if let Correction::WentBack(_) = self.clock.correct(reading) {
                    self.clock.set(now);
                }
                seen.set_backs
            }
        };
        *self.followed() = Some(followed);
        self.store.note_time(self.clock.now(), followed).await
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
        reading: Reading,
        now: OffsetDateTime,
        followed: i64,
    ) -> Result<i64, StoreError> {
        match self.clock.correct(reading) {
            Correction::WentBack(by) => return self.go_back(now, by, followed).await,
            Correction::Forward(by) if by > SKEW => {
                let seconds = by.whole_seconds();
                tracing::warn!(seconds, "the clock that nodes share went ahead");
            }
            Correction::Forward(_) | Correction::Slower(_) | Correction::None => {}
        }
        Ok(followed)
    }

    /// How often it went back, as far as this node knows then.
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
            // An embedded store is this machine's alone.
            None => Reading {
                shared: self.clock.wall(),
                age: StdDuration::ZERO,
                give_or_take: StdDuration::ZERO,
            },
        }
    }

    fn followed(&self) -> MutexGuard<'_, Option<i64>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
