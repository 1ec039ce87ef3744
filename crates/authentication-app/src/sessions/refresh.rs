//! Using a refresh token.
//!
//! One conditional UPDATE rotates and answers. Only when it refuses does a second unit look whether the
//! token was a replaced one, and ends the session if so (RFC 9700 §4.14.2).

use authentication_domain::{
    audit::{Action, Outcome},
    events::Event,
    sessions::{EndReason, RefreshToken},
};

use super::{Sessions, TokenSet, begin::TokenBasis};
use crate::{
    RequestContext, corrupt, measured,
    ports::{Invalidation, Measure, MessageKind, SigningFailed, StoreError},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Not one of ours, or of a session that is over: all the same to a client.
    #[error("the refresh token does not count")]
    InvalidToken,
    /// It had been replaced: somebody holds a copy. The session is over.
    #[error("the refresh token was used before")]
    Reused,
    /// No token could be made.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RefreshError);

impl Sessions {
    /// New tokens for a refresh token. A client that repeats itself within the grace time gets the same
    /// successor.
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
        let Some(rotated) = rotated else {
            return Err(self.end_if_reused(token, ctx).await?);
        };
        let basis = TokenBasis::of(rotated, token.session);
        Ok(base.tokens_for(&basis, now)?)
    }

    /// The evidence is committed before the client is told.
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
