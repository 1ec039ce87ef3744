//! Exchanging a refresh token for new tokens.
//!
//! One conditional UPDATE rotates the session and returns what the tokens need. Only if it refuses does a second
//! unit check whether the token was a replaced one: it forgives the session's own device a lost response, within
//! limits, and otherwise ends the session (RFC 9700 §4.14.2). Neither applies to a token that a proof replaced, nor
//! to a generation that the store lost (ADR 0053).

use authentication_domain::{
    audit::{Action, Outcome},
    events::Event,
    sessions::{EndReason, RefreshToken},
};

use super::{Sessions, TokenSet, begin::TokenBasis};
use crate::{
    RequestContext, corrupt, measured,
    ports::{
        ForgivenSession, Invalidation, Measure, MessageKind, RotatedSession, SigningFailed,
        StoreError, UnitOfWork,
    },
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why no new tokens are issued.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not one of this service, replaced by a proof, or of an ended session; a client cannot distinguish these.
    #[error("the refresh token does not count")]
    InvalidToken,
    /// The token had been replaced: a copy is in use. The session was ended.
    #[error("the refresh token was used before")]
    Reused,
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RefreshError);

impl Sessions {
    /// Issues new tokens for a refresh token. A client that repeats the request within the grace period gets the
    /// same successor; so does, a few times, a client that proves the session's device later.
    ///
    /// # Errors
    /// [`RefreshError`]; [`RefreshError::Reused`] has ended the session.
    #[tracing::instrument(skip_all)]
    pub async fn refresh(
        &self,
        refresh_token: &str,
        ctx: &RequestContext,
    ) -> Result<TokenSet, RefreshError> {
        let done = self.rotate_ours(refresh_token, ctx).await;
        let outcome = measured::of_refresh(&done);
        self.base.meter.note(Measure::Refresh(outcome));
        done
    }

    async fn rotate_ours(
        &self,
        refresh_token: &str,
        ctx: &RequestContext,
    ) -> Result<TokenSet, RefreshError> {
        let token = RefreshToken::parse(refresh_token)
            .filter(|token| self.base.macs.is_our_refresh_token(token))
            .ok_or(RefreshError::InvalidToken)?;
        retrying(|| self.rotate(&token, ctx)).await
    }

    async fn rotate(
        &self,
        token: &RefreshToken,
        ctx: &RequestContext,
    ) -> Result<TokenSet, RefreshError> {
        let base = &self.base;
        let now = base.clock.now();
        let rotated = base
            .store
            .rotate(token.session, token.generation, base.rules.rotation, now)
            .await?;
        match rotated {
            Some(rotated) => self.tokens_of(rotated, token),
            None => self.judge_late(token, ctx).await,
        }
    }

    fn tokens_of(
        &self,
        rotated: RotatedSession,
        token: &RefreshToken,
    ) -> Result<TokenSet, RefreshError> {
        let base = &self.base;
        let basis = TokenBasis::of(rotated, token.session);
        Ok(base.tokens_for(&basis, base.clock.now())?)
    }

    /// Judges a token that the rotation refused.
    async fn judge_late(
        &self,
        token: &RefreshToken,
        ctx: &RequestContext,
    ) -> Result<TokenSet, RefreshError> {
        if let Some(tokens) = self.forgive(token, ctx).await? {
            return Ok(tokens);
        }
        let refusal = self.end_if_reused(token, ctx).await?;
        if matches!(refusal, RefreshError::InvalidToken)
            && let Some(tokens) = self.catch_up(token, ctx).await?
        {
            return Ok(tokens);
        }
        Err(refusal)
    }

    /// Continues from a generation that the store lost, with an audit entry each time. Also applies when a
    /// concurrent request was forgiven or caught up just now, which began a new grace period.
    async fn catch_up(
        &self,
        token: &RefreshToken,
        ctx: &RequestContext,
    ) -> Result<Option<TokenSet>, RefreshError> {
        let base = &self.base;
        let (now, rules) = (base.clock.now(), base.rules.rotation);
        let mut unit = base.store.begin().await?;
        let caught = unit
            .sessions()
            .catch_up(token.session, token.generation, rules, now)
            .await?;
        let Some(caught) = caught else {
            return Ok(None);
        };
        if !caught.is_first {
            unit.commit().await?;
            return self.tokens_of(caught.session.session, token).map(Some);
        }
        let caught = caught.session;
        let tokens = self
            .put_on_record_and_answer(unit, Action::RefreshAhead, caught, token, ctx)
            .await?;
        tracing::warn!("a refresh token is ahead of the database: its latest commits are lost");
        Ok(Some(tokens))
    }

    async fn put_on_record_and_answer(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        action: Action,
        moved: ForgivenSession,
        token: &RefreshToken,
        ctx: &RequestContext,
    ) -> Result<TokenSet, RefreshError> {
        let base = &self.base;
        let account = moved.session.account;
        let key = base
            .vault
            .unwrap_key(account, &moved.wrapped_key)
            .map_err(|_| corrupt("account_keys", "wrapped_key"))?;
        let act = Act::of(action, Outcome::Success, account, &key);
        let entry = base.record(&act.session(token.session), ctx, base.clock.now());
        unit.audit().append(&[entry]).await?;
        let tokens = self.tokens_of(moved.session, token)?;
        unit.commit().await?;
        Ok(tokens)
    }

    /// Issues the successor again to the session's own device, with an audit entry each time.
    async fn forgive(
        &self,
        token: &RefreshToken,
        ctx: &RequestContext,
    ) -> Result<Option<TokenSet>, RefreshError> {
        let base = &self.base;
        let Some(device) = &ctx.device_token else {
            return Ok(None);
        };
        let now = base.clock.now();
        let rules = base.rules.rotation;
        let mut unit = base.store.begin().await?;
        let forgiven = unit
            .sessions()
            .forgive(token.session, token.generation, device.device, rules, now)
            .await?;
        // Only now is the account known that the device must belong to. Dropping the unit undoes the forgiveness.
        let forgiven =
            forgiven.filter(|it| base.macs.is_our_device_token(device, it.session.account));
        let Some(forgiven) = forgiven else {
            return Ok(None);
        };
        let tokens = self
            .put_on_record_and_answer(unit, Action::RefreshForgiven, forgiven, token, ctx)
            .await?;
        Ok(Some(tokens))
    }

    /// Commits the evidence before the client is answered.
    async fn end_if_reused(
        &self,
        token: &RefreshToken,
        ctx: &RequestContext,
    ) -> Result<RefreshError, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let mut unit = base.store.begin().await?;
        let ended = unit
            .sessions()
            .end_reused(token.session, token.generation, base.rules.rotation, now)
            .await?;
        let Some(ended) = ended else {
            return Ok(RefreshError::InvalidToken);
        };
        let (account, session) = (ended.account, ended.session);
        let key = base
            .vault
            .unwrap_key(account, &ended.wrapped_key)
            .map_err(|_| corrupt("account_keys", "wrapped_key"))?;
        let outcome = Outcome::Refused("refresh_token_reused");
        let act = Act::of(Action::RefreshReuse, outcome, account, &key).session(session);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let events = [
            Event::RefreshReused { account, session },
            Event::SessionEnded {
                account,
                session,
                reason: EndReason::RefreshReuse,
            },
        ]
        .map(|event| base.event(event, ctx, now));
        unit.outbox().append_events(&events).await?;
        base.notice(unit.as_mut(), MessageKind::SessionStolen, account, ctx, now)
            .await?;
        base.commit_and_tell(unit, &Invalidation::of_sessions([session]))
            .await?;
        base.messages_queued.notify_one();
        Ok(RefreshError::Reused)
    }
}
