//! The cache of live sessions, and how nodes tell each other that one is not live any more.
//!
//! Why cached: every signed-in request asks whether its session is live, and the answer changes rarely.
//! The store stays the truth. A revocation leaves a tombstone that a load begun earlier cannot overwrite.

use async_trait::async_trait;
use authentication_domain::{accounts::AccountId, sessions::SessionId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::SessionSnapshot;
use crate::caching::Intent;

/// The cache cannot be asked right now; the store answers instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache is not available")]
pub struct CacheError;

/// What is not true any more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Invalidation {
    /// Sessions that ended. Final: an ended session never lives again.
    pub ended: Vec<SessionId>,
    /// Accounts that changed: every cached session of theirs has to be loaded again.
    pub changed: Vec<AccountId>,
}

impl Invalidation {
    /// Of sessions that ended.
    pub fn of_sessions(sessions: impl IntoIterator<Item = SessionId>) -> Self {
        Self {
            ended: sessions.into_iter().collect(),
            changed: Vec::new(),
        }
    }

    /// Of an account that changed.
    pub fn of_account(account: AccountId) -> Self {
        Self {
            ended: Vec::new(),
            changed: vec![account],
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.ended.is_empty() && self.changed.is_empty()
    }
}

/// What the cache knew when a load began; a snapshot loaded under it is refused when an
/// [`Invalidation`] that concerns it came in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadTicket {
    /// Of the last invalidation that the load can know of, as the cache counts them.
    pub number: u64,
    /// When it began, by the cache's clock: what it brings is as old as that.
    pub begun: OffsetDateTime,
}

/// A snapshot that a cache knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownSession {
    /// What it knows.
    pub snapshot: SessionSnapshot,
    /// Whether the snapshot's time is nearly over, and this caller is the one to load it anew before it is.
    /// Of all callers on all nodes that share the cache one is told so, once for each snapshot that is put.
    pub is_due: bool,
}

/// Snapshots of live sessions by their id, for a short while each.
#[async_trait]
pub trait SessionCache: Send + Sync {
    /// What it is for, and for how long it keeps a snapshot: counted from the load's beginning.
    fn intent(&self) -> Intent;

    /// A snapshot that no invalidation has overtaken, if there is one.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn get(&self, session: SessionId) -> Result<Option<KnownSession>, CacheError>;

    /// Must be taken before the store is read for [`Self::put`].
    ///
    /// # Errors
    /// [`CacheError`].
    async fn begin_load(&self) -> Result<LoadTicket, CacheError>;

    /// Keeps a snapshot, unless its session ended or its account changed since the ticket was taken; says
    /// whether it did.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn put(&self, ticket: LoadTicket, snapshot: &SessionSnapshot)
    -> Result<bool, CacheError>;

    /// Forgets what is not true any more and leaves tombstones. When it returns, no later `get` on any
    /// node that shares this cache gives what it names.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn invalidate(&self, invalidation: &Invalidation) -> Result<(), CacheError>;

    /// Forgets everything (after a connection was lost, when invalidations may have been missed).
    ///
    /// # Errors
    /// [`CacheError`].
    async fn clear(&self) -> Result<(), CacheError>;
}

/// Tells the other nodes.
#[async_trait]
pub trait RevocationChannel: Send + Sync {
    /// Tells every node, this one too; nodes that are not connected miss it and flush when they are.
    ///
    /// # Errors
    /// [`CacheError`].
    async fn publish(&self, invalidation: &Invalidation) -> Result<(), CacheError>;
}
