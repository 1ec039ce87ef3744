//! Ending sessions: signing out of the current one, another one, or all.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    events::Event,
    sessions::{EndReason, SessionId},
};
use time::OffsetDateTime;

use super::Sessions;
use crate::{
    Foundation, RequestContext,
    ports::{DataKey, Invalidation, MessageKind, SessionSnapshot, StoreError, UnitOfWork},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why no session ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    /// There is no such session, it belongs to another account, or it has already ended.
    #[error("there is no such session")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(EndSessionError);

impl Sessions {
    /// Signs out of the current session. Idempotent.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn log_out(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<(), StoreError> {
        match self
            .end_with(who, who.session, EndReason::SignedOut, ctx)
            .await
        {
            Ok(()) | Err(EndSessionError::NotFound) => Ok(()),
            Err(EndSessionError::Store(error)) => Err(error),
        }
    }

    /// Ends one of the account's sessions.
    ///
    /// # Errors
    /// [`EndSessionError`].
    #[tracing::instrument(skip_all)]
    pub async fn end(
        &self,
        who: &SessionSnapshot,
        session: SessionId,
        ctx: &RequestContext,
    ) -> Result<(), EndSessionError> {
        self.end_with(who, session, EndReason::EndedByOwner, ctx)
            .await
    }

    /// Ends all sessions of the account except the current one; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn end_others(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<usize, StoreError> {
        retrying(|| self.end_many(who, Some(who.session), EndReason::EndedByOwner, ctx)).await
    }

    /// Ends all sessions of the account, including the current one; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn log_out_everywhere(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<usize, StoreError> {
        retrying(|| self.end_many(who, None, EndReason::SignedOut, ctx)).await
    }

    async fn end_with(
        &self,
        who: &SessionSnapshot,
        session: SessionId,
        reason: EndReason,
        ctx: &RequestContext,
    ) -> Result<(), EndSessionError> {
        retrying(|| self.end_one(who, session, reason, ctx)).await
    }

    async fn end_one(
        &self,
        who: &SessionSnapshot,
        session: SessionId,
        reason: EndReason,
        ctx: &RequestContext,
    ) -> Result<(), EndSessionError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        let key = base.data_key(&who.owner)?;
        let mut unit = base.store.begin().await?;
        let ended = unit.sessions().end(session, account, reason, now).await?;
        if ended.is_none() {
            drop(unit);
            // The process that ended it may have crashed before it invalidated the caches.
            base.liveness
                .revoke(&Invalidation::of_account(account))
                .await;
            return Err(EndSessionError::NotFound);
        }
        base.record_ended(unit.as_mut(), (account, &key), &[session], reason, ctx, now)
            .await?;
        base.commit_and_tell(unit, &Invalidation::of_sessions([session]))
            .await?;
        Ok(())
    }

    async fn end_many(
        &self,
        who: &SessionSnapshot,
        but: Option<SessionId>,
        reason: EndReason,
        ctx: &RequestContext,
    ) -> Result<usize, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        let key = base.data_key(&who.owner)?;
        let mut unit = base.store.begin().await?;
        let ended = unit.sessions().end_all(account, but, reason, now).await?;
        base.record_ended(unit.as_mut(), (account, &key), &ended, reason, ctx, now)
            .await?;
        let count = ended.len();
        // Invalidate the whole account: sessions that ended earlier may not have been announced.
        let changed = vec![account];
        base.commit_and_tell(unit, &Invalidation { ended, changed })
            .await?;
        Ok(count)
    }
}

impl Foundation {
    /// The last step of every change of credentials, made through the session that is kept: ends the other
    /// sessions, notifies the owner, and commits everything.
    pub(crate) async fn way_in_changed(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        owner: (AccountId, &DataKey),
        kept: SessionId,
        (reason, notice): (EndReason, MessageKind),
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let told = self
            .end_others(unit.as_mut(), owner, kept, reason, ctx, now)
            .await?;
        self.notice(unit.as_mut(), notice, owner.0, ctx, now)
            .await?;
        self.commit_and_tell(unit, &told).await?;
        self.messages_queued.notify_one();
        Ok(())
    }

    /// Ends every session of an account except this one after a change of credentials, with audit entries and
    /// events. Returns what must be invalidated in the caches after the commit.
    pub(crate) async fn end_others(
        &self,
        unit: &mut dyn UnitOfWork,
        (account, key): (AccountId, &DataKey),
        kept: SessionId,
        reason: EndReason,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<Invalidation, StoreError> {
        let ended = unit
            .sessions()
            .end_all(account, Some(kept), reason, now)
            .await?;
        self.record_ended(unit, (account, key), &ended, reason, ctx, now)
            .await?;
        let changed = vec![account];
        Ok(Invalidation { ended, changed })
    }

    /// Writes one audit entry and one event for each of the sessions of one account that ended together.
    pub(crate) async fn record_ended(
        &self,
        unit: &mut dyn UnitOfWork,
        (account, key): (AccountId, &DataKey),
        sessions: &[SessionId],
        reason: EndReason,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if sessions.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = sessions
            .iter()
            .map(|session| {
                Act::of(Action::SessionEnded, Outcome::Success, account, key).session(*session)
            })
            .map(|act| self.record(&act, ctx, now))
            .collect();
        unit.audit().append(&entries).await?;
        let ended = |session: &SessionId| Event::SessionEnded {
            account,
            session: *session,
            reason,
        };
        let events: Vec<_> = sessions
            .iter()
            .map(|session| self.event(ended(session), ctx, now))
            .collect();
        unit.outbox().append_events(&events).await
    }
}
