//! Setting a password: the part that a change and a reset share.

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
    /// The version of the account that the proof was judged on.
    pub(super) read_version: i64,
    pub(super) hash: &'a PasswordHash,
    pub(super) proven_by: Proof,
}

/// What the person showed.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// The old password, in a session, which goes on.
    OldPassword(SessionId),
    /// A code or a link. No session goes on, and no device stays known: one may be a thief's.
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
    /// Sets the password and ends the sessions that must not outlive it, with all that tells of it, and
    /// commits. `false`, and nothing done, when the account is another version by now.
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

    /// All of it but the commit; answers with what the caches have to be told after that. The worker has to be
    /// woken, too.
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
