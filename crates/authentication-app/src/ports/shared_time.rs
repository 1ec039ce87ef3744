//! The time shared by all nodes, and the local measurement between two reads of it (ADR 0045).

use std::time::Duration as StdDuration;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::StoreError;

/// A source of passing time.
pub trait Ticks: Send + Sync {
    /// The wall clock of this machine, which may jump.
    fn wall(&self) -> OffsetDateTime;

    /// Time since an arbitrary start. Monotonic, independent of the wall clock.
    fn elapsed(&self) -> StdDuration;
}

/// The store's knowledge of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedTime {
    /// The store's clock, half of [`Self::round_trip`] ago; `None` for an embedded store, which shares this
    /// machine's clock.
    pub now: Option<OffsetDateTime>,
    /// The latest time that any node recorded.
    pub latest: OffsetDateTime,
    /// How often time was set back so far.
    pub set_backs: i64,
    /// How often operators revoked sessions so far; may decrease when the database is restored.
    pub revocations: i64,
    /// How long the query took.
    pub round_trip: StdDuration,
}

/// The shared time, on the connection pool.
#[async_trait]
pub trait TimeStore: Send + Sync {
    /// Reads the time of all nodes.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn shared_time(&self) -> Result<SharedTime, StoreError>;

    /// Records that this time was reached. Records nothing for a node whose `set_backs` is out of date.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_time(&self, now: OffsetDateTime, set_backs: i64) -> Result<(), StoreError>;

    /// Sets time back by `by`, to `now`. Every deadline and every time stamp on which validity depends moves back
    /// with it, once for all nodes, so that nothing is valid longer than it would have been. `false`, with nothing
    /// done, when time was already set back more often than `set_backs`: another node did it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn go_back(
        &self,
        now: OffsetDateTime,
        by: Duration,
        set_backs: i64,
    ) -> Result<bool, StoreError>;
}
