//! Revoking sessions of many accounts by operators, and what follows after the database was restored to an earlier
//! state.

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

/// Live sessions selected by an operator. All given conditions must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionSelection {
    /// Begun before this time.
    pub begun_before: Option<OffsetDateTime>,
    /// Begun at this time or later.
    pub begun_since: Option<OffsetDateTime>,
    /// Belonging to accounts with this role.
    pub role: Option<Role>,
    /// Belonging to this account.
    pub account: Option<AccountId>,
}

/// The number of selected sessions and accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SelectedSessions {
    /// The number of live sessions.
    pub sessions: u64,
    /// The number of accounts that own them.
    pub accounts: u64,
}

/// A session that was ended by a mass revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokedSession {
    /// The session's id.
    pub session: SessionId,
    /// The account it belonged to.
    pub account: AccountId,
}

/// One batch of a mass revocation.
#[derive(Debug, Clone, Copy)]
pub struct Revocation<'a> {
    /// The sessions to revoke.
    pub selection: &'a SessionSelection,
    /// Only sessions after this one, in the order of their ids.
    pub after: Option<SessionId>,
    /// The maximum size of the batch.
    pub at_most: u32,
    /// Why the sessions end.
    pub reason: EndReason,
}

/// A restore: since `marked_at`, the database holds an earlier state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restore {
    /// The restore's id.
    pub id: Uuid,
    /// When the restore was recorded. What was begun before may have ended in the lost commits.
    pub marked_at: OffsetDateTime,
    /// Whether sessions continue, although some of them may have been ended since the backup.
    pub keeps_sessions: bool,
}

/// What was outstanding and was voided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Voided {
    /// Codes and links that were sent.
    pub codes: u64,
    /// Sign-ins that waited for a second factor, and those in progress with a passkey or at a provider.
    pub sign_ins: u64,
    /// Recorded responses to idempotent requests.
    pub answers: u64,
    /// Devices that could skip the second factor.
    pub devices: u64,
    /// Sessions that were kept: only their newest token known to the store, or a later one, stays valid.
    pub sessions_kept: u64,
}

/// Operations on the connection pool, or in a separate unit.
#[async_trait]
pub trait RevocationStore: UnitOfWorkFactory {
    /// The number of live sessions that a selection matches. An expired session counts as live until a node has
    /// recorded a later time: the caller's clock may be wrong.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_selected(
        &self,
        selection: &SessionSelection,
    ) -> Result<SelectedSessions, StoreError>;

    /// Makes every node discard its cached sessions within seconds, even if no broadcast reaches it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn announce_revocations(&self) -> Result<(), StoreError>;

    /// The oldest unfinished restore.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unfinished_restore(&self) -> Result<Option<Restore>, StoreError>;

    /// Records that the database holds an earlier state than the one that the service has answered from.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn mark_restored(&self, restore: &Restore) -> Result<(), StoreError>;

    /// Voids what was outstanding when the database was restored, once: `None` when that was done before. Codes of
    /// authenticator apps up to `last_step` are marked as used.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn void_outstanding(
        &self,
        restore: &Restore,
        last_step: TotpStep,
        now: OffsetDateTime,
    ) -> Result<Option<Voided>, StoreError>;

    /// Records that a restore is complete.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn finish_restore(&self, restore: Uuid, now: OffsetDateTime) -> Result<(), StoreError>;
}
