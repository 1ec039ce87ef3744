//! Ending sessions of many accounts by hand, and what follows when the database was put back to an earlier state.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    mfa::TotpStep,
    sessions::{EndReason, SessionId},
};
use common::access::Role;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{StoreError, UnitOfWorkFactory};

/// Live sessions that an operator means. Every condition that is given has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSelection {
    /// Begun before this.
    pub begun_before: Option<OffsetDateTime>,
    /// Begun at this time or later.
    pub begun_since: Option<OffsetDateTime>,
    /// Of accounts with this role.
    pub role: Option<Role>,
    /// Of this account.
    pub account: Option<AccountId>,
}

/// How many a selection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectedSessions {
    /// Sessions that live.
    pub sessions: u64,
    /// Accounts that they are of.
    pub accounts: u64,
}

/// A session that was ended with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedSession {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub account: AccountId,
}

/// Which batch of a selection.
#[derive(Debug, Clone, Copy)]
pub struct Revocation<'a> {
    /// Of these sessions.
    pub selection: &'a SessionSelection,
    /// Those after this one, in the order of their ids.
    pub after: Option<SessionId>,
    /// So many at the most.
    pub at_most: u32,
    /// Why they end.
    pub reason: EndReason,
}

/// The database holds an earlier state since `marked_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// Which.
    pub id: Uuid,
    /// When it was put back: what was begun until then may have ended in what is lost.
    pub marked_at: OffsetDateTime,
    /// Whether sessions go on, although some of them may have been ended since the backup.
    pub keeps_sessions: bool,
}

/// What was outstanding and counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Voided {
    /// Codes and links that were sent.
    pub codes: u64,
    /// Sign-ins that waited for a second factor, and those under way with a passkey or at a provider.
    pub sign_ins: u64,
    /// Answers that were recorded for repetitions.
    pub answers: u64,
    /// Devices that skipped the second factor.
    pub devices: u64,
    /// Sessions that were kept: tokens before their newest one that the store knows count no more.
    pub sessions_kept: u64,
}

/// On the pool, or in a unit of its own.
#[async_trait]
pub trait RevocationStore: UnitOfWorkFactory {
    /// How many live sessions a selection means. One whose time is up counts as live until a node has noted a later
    /// time: the caller's clock may be wrong.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_selected(
        &self,
        selection: &SessionSelection,
    ) -> Result<SelectedSessions, StoreError>;

    /// Makes every node forget what it remembers of sessions, within seconds and whether or not a broadcast reaches it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn announce_revocations(&self) -> Result<(), StoreError>;

    /// The oldest restore that is not finished.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unfinished_restore(&self) -> Result<Option<Restore>, StoreError>;

    /// Notes that the database holds an earlier state than the service has answered with.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn mark_restored(&self, restore: &Restore) -> Result<(), StoreError>;

    /// Voids what was outstanding when the database was put back, once: `None` when that was done before. Codes of
    /// authenticator apps up to `last_step` are used.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn void_outstanding(
        &self,
        restore: &Restore,
        last_step: TotpStep,
        now: OffsetDateTime,
    ) -> Result<Option<Voided>, StoreError>;

    /// Notes that nothing is left to be done for a restore.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn finish_restore(&self, restore: Uuid, now: OffsetDateTime) -> Result<(), StoreError>;
}
