//! The cache of live sessions, and the channel on which nodes announce invalidations to each other.
//!
//! Every authenticated request asks whether its session is live, and the answer rarely changes; hence a cache. The
//! store remains authoritative. A revocation leaves a tombstone that a load begun earlier cannot overwrite.

use async_trait::async_trait;
use authentication_domain::{accounts::AccountId, sessions::SessionId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::SessionSnapshot;
use crate::caching::Intent;

/// The cache is unavailable; the caller asks the store instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache is not available")]
pub struct CacheError;

/// Cache entries that are stale.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Invalidation {
    /// Sessions that ended. Final: an ended session never becomes live again.
    pub ended: Vec<SessionId>,
    /// Accounts that changed: all their cached sessions must be reloaded.
    pub changed: Vec<AccountId>,
}

impl Invalidation {
    /// Invalidates sessions that ended.
    pub fn of_sessions(sessions: impl IntoIterator<Item = SessionId>) -> Self {
        Self {
            ended: sessions.into_iter().collect(),
            changed: Vec::new(),
        }
    }

    /// Invalidates all sessions of an account that changed.
    pub fn of_account(account: AccountId) -> Self {
        Self {
            ended: Vec::new(),
            changed: vec![account],
        }
    }

    /// Whether there is nothing to announce.
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.changed.is_empty()
    }
}

/// The state of the cache when a load began. A snapshot loaded under this ticket is refused if a matching
/// [`Invalidation`] arrived since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadTicket {
    /// The cache's number of the last invalidation that the load can have seen.
    pub number: u64,
    /// When the load began, by the cache's clock; the snapshot's age counts from here.
    pub begun: OffsetDateTime,
}

/// A cached snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSession {
    /// The snapshot.
    pub snapshot: SessionSnapshot,
    /// Whether the snapshot is about to expire and this caller should refresh it. To prevent a cache stampede, only
    /// one caller among all nodes that share the cache gets `true` for each snapshot that is put.
    pub is_due: bool,
}

/// Snapshots of live sessions by session id, each kept for a short time.
#[async_trait]
pub trait SessionCache: Send + Sync {
    /// The purpose of the cache and the TTL of its snapshots, counted from the beginning of the load.
    fn intent(&self) -> Intent;

    /// The cached snapshot, unless an invalidation has superseded it.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn get(&self, session: SessionId) -> Result<Option<KnownSession>, CacheError>;

    /// Issues a ticket for [`Self::put`]. Must be called before the store is read.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn begin_load(&self) -> Result<LoadTicket, CacheError>;

    /// Caches a snapshot unless its session ended or its account changed since the ticket was issued; returns
    /// whether it was cached.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn put(&self, ticket: LoadTicket, snapshot: &SessionSnapshot)
    -> Result<bool, CacheError>;

    /// Removes stale entries and leaves tombstones. Once this returns, no later `get` on any node that shares this
    /// cache returns an invalidated session.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn invalidate(&self, invalidation: &Invalidation) -> Result<(), CacheError>;

    /// Removes everything: after a lost connection, invalidations may have been missed.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn clear(&self) -> Result<(), CacheError>;
}

/// Broadcasts invalidations to all nodes.
#[async_trait]
pub trait RevocationChannel: Send + Sync {
    /// Announces to every node, including this one. Nodes that are disconnected miss it and flush when they
    /// reconnect.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn publish(&self, invalidation: &Invalidation) -> Result<(), CacheError>;
}
