//! Ending sessions: signing out, here, there or everywhere.

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
    /// There is no such session, or it is somebody else's, or it is over already.
    #[error("there is no such session")]
    NotFound,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(EndSessionError);

impl Sessions {
    /// Signs out of the session that asks. Signing out twice is signing out.
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

    /// Ends one of one's own sessions.
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

    /// Ends all of one's own sessions but the one that asks; answers with how many.
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

    /// Ends all of one's own sessions, the one that asks too; answers with how many.
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
            // Whoever ended it may have gone down before anybody was told.
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
        // The account too: what ended before this request may have been told to nobody.
        let changed = vec![account];
        base.commit_and_tell(unit, &Invalidation { ended, changed })
            .await?;
        Ok(count)
    }
}

impl Foundation {
    /// The end of every change of the ways into an account, made through the session that is kept: the others end,
    /// the owner is told, and all of it is committed.
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

    /// Ends every session of an account but this one, since how its owner proves who they are has changed, with
    /// trail and events; answers with what the caches have to be told after the commit.
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

    /// The trail and the events of sessions of one account that ended together: an entry for each.
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
