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

/// A session to be kept.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub account: AccountId,
    /// The version of the account that the proof was judged on.
    pub account_version: i64,
    /// From which device.
    pub device: DeviceId,
    /// The refresh key that is its own for life.
    pub refresh_key_id: String,
    /// How the person proved who they are, and when.
    pub proofs: Proofs,
    /// Where from: address and user agent as JSON, under the person's key (`sessions.origin`).
    pub origin: Sealed,
    /// When.
    pub created_at: OffsetDateTime,
    /// Idle time allowed, as of the roles at sign-in.
    pub idle: Duration,
    /// When it ends, whatever happens.
    pub absolute_deadline: OffsetDateTime,
}

/// A live session with its account: what a request by its access token needs, in one read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    /// Which.
    pub session: SessionId,
    /// Whose, with what the owner is shown.
    pub owner: AccountRecord,
    /// What the person proved, and when.
    pub proofs: Proofs,
    /// The generation that the last proof began: tokens of earlier ones count no more.
    pub proven_generation: u32,
    /// The generation of the token that a request presented; it is no part of what is stored.
    #[serde(skip)]
    pub presented_generation: u32,
    /// When it ends by itself, as of this read (a refresh moves it).
    pub idle_deadline: OffsetDateTime,
    /// When it ends, whatever happens.
    pub absolute_deadline: OffsetDateTime,
}

impl SessionSnapshot {
    /// Whether the session had not ended by itself at `now`.
    pub fn is_live(&self, now: OffsetDateTime) -> bool {
        now < self.idle_deadline && now < self.absolute_deadline
    }

    /// Guesses through a session are counted for the session, which is as known as a device can be: whoever
    /// stole one locks nobody else out, and gets a device's guesses.
    pub const fn as_device(&self) -> DeviceId {
        Id::from_uuid(self.session.as_uuid())
    }

    /// The one who acts through it.
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

/// What a rotation needs to answer with, from the same statement.
#[derive(Debug, Clone)]
pub struct RotatedSession {
    /// Whose.
    pub account: AccountId,
    /// As of now: a role given or taken shows in the next token.
    pub roles: Roles,
    /// The generation to hand out.
    pub generation: u32,
    /// The session's refresh key.
    pub refresh_key_id: String,
    /// How the person proved who they are, and when.
    pub proofs: Proofs,
    /// When it ends by itself, now prolonged.
    pub idle_deadline: OffsetDateTime,
    /// When it ends, whatever happens.
    pub absolute_deadline: OffsetDateTime,
}

/// A predecessor that got its successor again.
#[derive(Debug, Clone)]
pub struct ForgivenSession {
    /// As its tokens need it.
    pub session: RotatedSession,
    /// For the audit entry.
    pub wrapped_key: WrappedKey,
}

/// A generation that the store did not know, and that goes on.
#[derive(Debug, Clone)]
pub struct CaughtUp {
    /// As its tokens and its audit entry need it.
    pub session: ForgivenSession,
    /// Whether this call moved the chain; a rival did otherwise.
    pub is_first: bool,
}

/// A session that a statement ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// Which.
    pub session: SessionId,
    /// Whose.
    pub account: AccountId,
    /// For the audit entry.
    pub wrapped_key: WrappedKey,
}

/// A session in its owner's list.
#[derive(Debug, Clone)]
pub struct SessionSummary {
    /// Which.
    pub session: SessionId,
    /// Where it was begun from, under the person's key.
    pub origin: Sealed,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When it was last refreshed.
    pub last_used_at: OffsetDateTime,
    /// When it ends by itself unless used.
    pub idle_deadline: OffsetDateTime,
}

/// On the pool.
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

    /// Rotates by the rule of [`RotationRules::judge`] in one conditional UPDATE: `generation` becomes the
    /// next one, or, within the grace time, stays what the first of several rivals made it. `None` when
    /// the session is dead, its account is not active, or the generation is not one that counts by itself: then
    /// nothing changed.
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
    /// Begins a session; when the account then has more than `most`, ends the oldest and names them.
    ///
    /// # Errors
    /// [`StoreError::Retryable`] unless the account is still the version that the proof was judged on: a
    /// password that was right a moment ago begins nothing after it was changed.
    async fn begin(
        &mut self,
        session: &NewSession,
        most: u32,
    ) -> Result<Vec<SessionId>, StoreError>;

    /// Locks a session until the unit ends, if it may still act at `now`: it lives, and no proof has replaced the
    /// token of generation `presented`. Answers with the version of its account, which the unit
    /// [holds](super::AccountRepository::hold) already; `None` when it may not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn hold(
        &mut self,
        session: SessionId,
        presented: u32,
        now: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError>;

    /// The person proved through a live session of theirs who they are: what was proven becomes what
    /// [`Proofs::renewed`] says, the next generation begins, and those before it count no more. `None` when it is
    /// not live, otherwise the session as its new tokens need it.
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

    /// Forgives a generation that was presented too late for its grace time, where [`RotationRules::judge`] does:
    /// the session was begun from this device, which the account still knows. Another grace time begins. Whether
    /// the caller holds the device's token is for the caller of this to judge. `None`, and nothing done, otherwise.
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

    /// Goes on from a generation that is ahead of the store's, where [`RotationRules::judge`] says so: the commits that
    /// made it are lost, and its successor is the current one from here on. Within the grace time from then on the same
    /// successor again. `None`, and nothing done, otherwise.
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

    /// Ends a batch of live sessions of many accounts, in the order of their ids, and has every node forget what it
    /// remembers of sessions.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end_selected(
        &mut self,
        revocation: Revocation<'_>,
        now: OffsetDateTime,
    ) -> Result<Vec<RevokedSession>, StoreError>;

    /// Ends one live session of an account; `None` when it is not live, or not the account's.
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

    /// Ends all live sessions of an account, or all but one, and names them.
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

    /// Ends a live session because a generation was presented that, judged in the same statement, still
    /// is neither current nor ahead nor within its grace time nor ended by a proof; `None` when it is not live, or the rule
    /// says so after all. Whether the generation may be forgiven was asked before.
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
