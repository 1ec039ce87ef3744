//! The time that all nodes share, and what passes between two looks at it (ADR 0045).

use std::time::Duration as StdDuration;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::StoreError;

/// Where the passing of time comes from.
pub trait Ticks: Send + Sync {
    /// The wall clock of this machine, which may jump.
    fn wall(&self) -> OffsetDateTime;

    /// Time since some moment. It never goes back, whatever the wall clock does.
    fn elapsed(&self) -> StdDuration;
}

/// What the store knows of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedTime {
    /// Its own clock, as of half of [`Self::round_trip`] ago; `None` of an embedded one, which has ours.
    pub now: Option<OffsetDateTime>,
    /// The latest time that any node noted.
    pub latest: OffsetDateTime,
    /// How often the time went back so far.
    pub set_backs: i64,
    /// How often sessions were ended by hand so far; it may go back when the database is restored.
    pub revocations: i64,
    /// How long the question took.
    pub round_trip: StdDuration,
}

/// The time as the store has it, on the pool.
#[async_trait]
pub trait TimeStore: Send + Sync {
    /// What time it is for all nodes.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn shared_time(&self) -> Result<SharedTime, StoreError>;

    /// It was this time already. Nothing is noted for a node that does not know yet how often the time went back.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_time(&self, now: OffsetDateTime, set_backs: i64) -> Result<(), StoreError>;

    /// The time went back by so much, to `now`. Everything that counts until some time, or because it is young,
    /// goes back with it, once for all nodes: it counts no longer than it would have. False, and nothing is done,
    /// when it went back oftener than `set_backs`: another node has seen to it.
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
