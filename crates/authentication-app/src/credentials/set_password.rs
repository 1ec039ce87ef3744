//! Setting a password: the part that change and reset share.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::PasswordHash,
    events::Event,
    sessions::{EndReason, SessionId},
};
use time::OffsetDateTime;

use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{Invalidation, MessageKind, StoreError, UnitOfWork},
    recorder::Act,
};

/// A new password for an account.
pub(super) struct NewPassword<'a> {
    pub(super) owner: &'a OpenedAccount,
    /// The account version on which the proof was judged.
    pub(super) read_version: i64,
    pub(super) hash: &'a PasswordHash,
    pub(super) proven_by: Proof,
}

/// The proof that the person gave.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// The old password, within this session, which continues.
    OldPassword(SessionId),
    /// A code or a link. No session continues and no device stays known, because one may be an attacker's.
    CodeOrLink,
}

impl Proof {
    const fn traces(self) -> (Action, EndReason, Option<SessionId>) {
        match self {
            Self::OldPassword(session) => (
                Action::PasswordChanged,
                EndReason::PasswordChanged,
                Some(session),
            ),
            Self::CodeOrLink => (Action::PasswordReset, EndReason::PasswordReset, None),
        }
    }
}

impl Foundation {
    /// Sets the password, ends the sessions that must not outlive it, writes the audit entry and events, and
    /// commits. `false`, with nothing done, when the account's version has changed.
    pub(super) async fn set_password(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        new: NewPassword<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let Some(told) = self.put_password(unit.as_mut(), new, ctx, now).await? else {
            return Ok(false);
        };
        self.commit_and_tell(unit, &told).await?;
        self.messages_queued.notify_one();
        Ok(true)
    }

    /// Like [`Self::set_password`], but without the commit. Returns what must be invalidated in the caches after
    /// the commit; the caller must also wake the worker.
    pub(super) async fn put_password(
        &self,
        unit: &mut dyn UnitOfWork,
        new: NewPassword<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<Option<Invalidation>, StoreError> {
        let (account, key) = (new.owner.id(), &new.owner.key);
        let (action, reason, kept) = new.proven_by.traces();
        let reset_over = match new.proven_by {
            Proof::OldPassword(_) => None,
            Proof::CodeOrLink => Some(new.owner.view.identifier.method()),
        };
        let saved = unit
            .accounts()
            .set_password(account, new.read_version, new.hash, reset_over, now)
            .await?;
        if !saved {
            return Ok(None);
        }
        if kept.is_none() {
            unit.devices().forget_all(account).await?;
        }
        let ended = unit.sessions().end_all(account, kept, reason, now).await?;
        let act = Act::of(action, Outcome::Success, account, key);
        let act = match kept {
            Some(session) => act.session(session),
            None => act,
        };
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        let changed = Event::PasswordChanged {
            account,
            by_reset: kept.is_none(),
        };
        let event = self.event(changed, ctx, now);
        unit.outbox().append_events(&[event]).await?;
        self.record_ended(unit, (account, key), &ended, reason, ctx, now)
            .await?;
        self.notice(unit, MessageKind::PasswordChanged, account, ctx, now)
            .await?;
        let changed = vec![account];
        Ok(Some(Invalidation { ended, changed }))
    }
}
