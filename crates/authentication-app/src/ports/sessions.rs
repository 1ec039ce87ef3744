//! Sessions in the store.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    mfa::SecondFactorRules,
    sessions::{DeviceId, EndReason, RotationRules, SessionId},
};
use common::{
    Id,
    access::{Principal, Proofs, Renewal, Roles},
    page::{Page, PageRequest},
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{AccountRecord, Revocation, RevokedSession, Sealed, StoreError, WrappedKey};

/// A session to be stored.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session's id.
    pub id: SessionId,
    /// The account it belongs to.
    pub account: AccountId,
    /// The account version on which the proof was judged.
    pub account_version: i64,
    /// The device it is begun from.
    pub device: DeviceId,
    /// The refresh key, fixed for the session's lifetime.
    pub refresh_key_id: String,
    /// How and when the person proved their identity.
    pub proofs: Proofs,
    /// Address and user agent as JSON, sealed under the person's key (`sessions.origin`).
    pub origin: Sealed,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// The idle timeout, determined by the roles at sign-in.
    pub idle: Duration,
    /// When it ends regardless of use.
    pub absolute_deadline: OffsetDateTime,
}

/// A live session with its account: what a request with an access token needs, in one read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    /// The session's id.
    pub session: SessionId,
    /// The account it belongs to, with everything that the owner may see.
    pub owner: AccountRecord,
    /// How and when the person proved their identity.
    pub proofs: Proofs,
    /// The generation begun by the last proof: tokens of earlier generations are invalid.
    pub proven_generation: u32,
    /// The generation of the token that the request presented; not part of the stored session.
    #[serde(skip)]
    pub presented_generation: u32,
    /// When it ends unless used, as of this read (a refresh moves it).
    pub idle_deadline: OffsetDateTime,
    /// When it ends regardless of use.
    pub absolute_deadline: OffsetDateTime,
}

impl SessionSnapshot {
    /// Whether the session has not yet expired at `now`.
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        now < self.idle_deadline && now < self.absolute_deadline
    }

    /// The session as a scope of guess counters: it is as trustworthy as a known device. A thief of one session can
    /// lock no other out, and gets only one device's guesses.
    pub const fn as_device(&self) -> DeviceId {
        Id::from_uuid(self.session.as_uuid())
    }

    /// The principal that acts through the session.
    pub fn principal(&self, policy: &SecondFactorRules) -> Principal {
        let roles = self.owner.account.roles;
        Principal {
            account: self.owner.account.id,
            session: self.session,
            roles,
            proofs: self.proofs,
            has_second_factor: self.owner.second_factors.is_enabled(),
            lacks_second_factor: policy.is_lacking(roles, self.proofs),
        }
    }
}

/// What the response to a rotation needs, from the same statement.
#[derive(Debug, Clone)]
pub struct RotatedSession {
    /// The account it belongs to.
    pub account: AccountId,
    /// The current roles, so that a granted or revoked role shows in the next token.
    pub roles: Roles,
    /// The generation of the token to be issued.
    pub generation: u32,
    /// The session's refresh key.
    pub refresh_key_id: String,
    /// How and when the person proved their identity.
    pub proofs: Proofs,
    /// When it ends unless used, as extended by this rotation.
    pub idle_deadline: OffsetDateTime,
    /// When it ends regardless of use.
    pub absolute_deadline: OffsetDateTime,
}

/// A replaced token that was forgiven and gets its successor again.
#[derive(Debug, Clone)]
pub struct ForgivenSession {
    /// What its new tokens need.
    pub session: RotatedSession,
    /// For the audit entry.
    pub wrapped_key: WrappedKey,
}

/// A session that continues from a generation that the store did not know.
#[derive(Debug, Clone)]
pub struct CaughtUp {
    /// What its new tokens and its audit entry need.
    pub session: ForgivenSession,
    /// Whether this call advanced the chain; `false` when a concurrent call had.
    pub is_first: bool,
}

/// A session that was just ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// The session's id.
    pub session: SessionId,
    /// The account it belonged to.
    pub account: AccountId,
    /// For the audit entry.
    pub wrapped_key: WrappedKey,
}

/// A session as its owner's list shows it.
#[derive(Debug, Clone)]
pub struct SessionSummary {
    /// The session's id.
    pub session: SessionId,
    /// Address and user agent at its beginning, sealed under the person's key.
    pub origin: Sealed,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When it was last refreshed.
    pub last_used_at: OffsetDateTime,
    /// When it ends unless used.
    pub idle_deadline: OffsetDateTime,
}

/// Operations on the connection pool.
#[async_trait]
pub trait SessionQueries: Send + Sync {
    /// A live session of an active account, in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_snapshot(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Option<SessionSnapshot>, StoreError>;

    /// Live sessions of an account, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_sessions(
        &self,
        account: AccountId,
        page: &PageRequest<SessionId>,
        now: OffsetDateTime,
    ) -> Result<Page<SessionSummary, SessionId>, StoreError>;

    /// Rotates by the rule of [`RotationRules::judge`] in one conditional UPDATE: `generation` becomes the next one
    /// or, within the grace period, stays what the first of several concurrent calls made it. `None`, with nothing
    /// changed, when the session is not live, its account is not active, or the generation is not valid on its own.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rotate(
        &self,
        session: SessionId,
        presented: u32,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<RotatedSession>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait SessionRepository: Send {
    /// Begins a session. If the account then has more than `most`, ends the oldest ones and returns their ids.
    ///
    /// # Errors
    /// [`StoreError::Retryable`] unless the account is still in the version on which the proof was judged: after a
    /// password change, a proof of the old password begins no session.
    async fn begin(
        &mut self,
        session: &NewSession,
        most: u32,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Locks a session until the unit ends, if it may still act at `now`: it is live, and no proof has replaced the
    /// token of generation `presented`. Returns the version of its account, which the unit
    /// [holds](super::AccountRepository::hold) already; `None` when it may not act.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn hold(
        &mut self,
        session: SessionId,
        presented: u32,
        now: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError>;

    /// Records that the person proved their identity again through a live session: its proofs become what
    /// [`Proofs::renewed`] says, and the next generation begins and invalidates the earlier ones. Returns the
    /// session as its new tokens need it; `None` when it is not live.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn prove_again(
        &mut self,
        session: SessionId,
        account: AccountId,
        renewal: Renewal,
        now: OffsetDateTime,
    ) -> Result<Option<RotatedSession>, StoreError>;

    /// Forgives a generation that was presented after its grace period, if [`RotationRules::judge`] allows it: the
    /// session was begun from this device, which the account still knows. Begins another grace period. The caller
    /// must verify that the client holds the device's token. `None`, with nothing done, otherwise.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forgive(
        &mut self,
        session: SessionId,
        presented: u32,
        device: DeviceId,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<ForgivenSession>, StoreError>;

    /// Continues from a generation that is ahead of the store's, if [`RotationRules::judge`] says so: the commits
    /// that made it are lost, and its successor becomes the current one. Within the following grace period, the
    /// same generation gets the same successor again. `None`, with nothing done, otherwise.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn catch_up(
        &mut self,
        session: SessionId,
        presented: u32,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<CaughtUp>, StoreError>;

    /// Ends a batch of live sessions of many accounts, in the order of their ids, and makes every node discard its
    /// cached sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end_selected(
        &mut self,
        revocation: Revocation<'_>,
        now: OffsetDateTime,
    ) -> Result<Vec<RevokedSession>, StoreError>;

    /// Ends one live session of an account; `None` when it is not live, or does not belong to the account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end(
        &mut self,
        session: SessionId,
        account: AccountId,
        reason: EndReason,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StoreError>;

    /// Ends all live sessions of an account, or all but one, and returns their ids.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end_all(
        &mut self,
        account: AccountId,
        but: Option<SessionId>,
        reason: EndReason,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Ends a live session because of a reused generation: one that, judged again in the same statement, is neither
    /// current, nor ahead, nor within its grace period, nor ended by a proof. `None` when the session is not live,
    /// or the generation turns out to be valid. Forgiveness must have been tried before.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end_reused(
        &mut self,
        session: SessionId,
        presented: u32,
        rules: RotationRules,
        now: OffsetDateTime,
    ) -> Result<Option<EndedSession>, StoreError>;
}
