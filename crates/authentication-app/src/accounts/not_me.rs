//! "This was not me": what the link in a notice does after its holder confirmed it.
//!
//! It locks an intruder out: every session ends, no device stays known, the credentials added since the notice are
//! removed, and the password is locked until it is reset by code or link. To a client, a locked password is
//! indistinguishable from a wrong one.

use authentication_domain::{
    accounts::Closed,
    audit::{Action, Diff, Outcome},
    events::Event,
    opaque_token::OpaqueToken,
    sessions::{EndReason, SessionId},
};
use serde_json::json;
use time::OffsetDateTime;

use super::{Accounts, OpenedAccount};
use crate::{
    RequestContext,
    ports::{
        Invalidation, LinkKind, MessageKind, NoticeLink, Recipient, StoreError, TakenBack,
        UnitOfWork,
    },
    recorder::Act,
    retry::{retry_on_store_error, retrying},
    single_use::{Presented, SingleUse, SingleUseError},
};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NotMeError {
    /// Unknown, used, expired, voided by a later act, or of another kind; a client cannot distinguish these.
    #[error("the link does not count")]
    InvalidLink,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(NotMeError);

impl SingleUseError for NotMeError {
    fn used_up() -> Self {
        Self::InvalidLink
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::InvalidLink)
    }
}

impl Accounts {
    /// Secures the account of an owner who reports that something was not them (`POST /auth/not-me`).
    ///
    /// # Errors
    /// [`NotMeError`].
    #[tracing::instrument(skip_all)]
    pub async fn not_me(
        &self,
        token: &OpaqueToken,
        ctx: &RequestContext,
    ) -> Result<(), NotMeError> {
        let presented = Presented::new(SingleUse::NoticeLink, token.digest(), &[], ctx);
        let done = retrying(|| self.not_me_once(token, &presented, ctx)).await;
        let again = async |()| Ok(Some(()));
        self.base.settle_once(&presented, done, again).await
    }

    async fn not_me_once(
        &self,
        token: &OpaqueToken,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<(), NotMeError> {
        let base = &self.base;
        let now = base.clock.now();
        let (link, opened) = self.follow(token, LinkKind::NotMe, now).await?;
        let account = opened.id();
        let mut unit = base.begin_change(account).await?;
        self.claim(unit.as_mut(), token, LinkKind::NotMe, now)
            .await?;
        let ended = self
            .secure(
                unit.as_mut(),
                &link,
                &opened,
                opened.view.account.version,
                ctx,
                now,
            )
            .await?;
        let to = Recipient::Account(account);
        base.bare_notice(unit.as_mut(), MessageKind::AccountSecured, to, ctx, now)
            .await?;
        base.record_single_use(unit.as_mut(), presented, &(), now)
            .await?;
        let changed = vec![account];
        base.commit_and_tell(unit, &Invalidation { ended, changed })
            .await?;
        base.messages_queued.notify_one();
        Ok(())
    }

    /// The valid link behind a token, and its account.
    pub(super) async fn follow(
        &self,
        token: &OpaqueToken,
        kind: LinkKind,
        now: OffsetDateTime,
    ) -> Result<(NoticeLink, OpenedAccount), NotMeError> {
        let base = &self.base;
        let found = base
            .store
            .find_notice_link(token.digest(), kind, now)
            .await?;
        let link = found.ok_or(NotMeError::InvalidLink)?;
        let opened = base.read_account(link.account).await?;
        let opened = opened.filter(|it| it.view.account.gate() != Err(Closed::Absent));
        Ok((link, opened.ok_or(NotMeError::InvalidLink)?))
    }

    pub(super) async fn claim(
        &self,
        unit: &mut dyn UnitOfWork,
        token: &OpaqueToken,
        kind: LinkKind,
        now: OffsetDateTime,
    ) -> Result<(), NotMeError> {
        if unit.notices().claim_link(token.digest(), kind, now).await? {
            Ok(())
        } else {
            Err(NotMeError::InvalidLink)
        }
    }

    /// Secures the account, with audit entry and events; returns the ended sessions. The links of all earlier
    /// notices are voided, because what they ask for is thereby done.
    pub(super) async fn secure(
        &self,
        unit: &mut dyn UnitOfWork,
        link: &NoticeLink,
        opened: &OpenedAccount,
        read_version: i64,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<Vec<SessionId>, StoreError> {
        let base = &self.base;
        let (account, key) = (opened.id(), &opened.key);
        let locked = unit
            .accounts()
            .lock_password(account, read_version, now)
            .await?;
        if !locked {
            // Changed since it was read: retry, so that the new state is secured.
            return Err(StoreError::Retryable);
        }
        let taken_back = unit.notices().take_back(link).await?;
        let since_ever = OffsetDateTime::UNIX_EPOCH;
        unit.notices()
            .void_links(account, LinkKind::NotMe, since_ever, now)
            .await?;
        // The links in open summaries are void now; the next notice carries a valid one.
        unit.notices().tell_anew(account, now).await?;
        unit.devices().forget_all(account).await?;
        unit.second_factors().end_pending(account).await?;
        // The request cannot have been the owner's.
        if unit.factor_resets().call_off(account).await? {
            let act = Act::of(Action::FactorResetCalledOff, Outcome::Success, account, key);
            unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        }
        let reason = EndReason::Disowned;
        let ended = unit.sessions().end_all(account, None, reason, now).await?;
        let diff = Diff::between(&json!(TakenBack::default()), &json!(taken_back));
        let act = Act::of(Action::AccountSecured, Outcome::Success, account, key).diff(diff);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let event = base.event(Event::AccountSecured { account }, ctx, now);
        unit.outbox().append_events(&[event]).await?;
        base.record_ended(unit, (account, key), &ended, reason, ctx, now)
            .await?;
        Ok(ended)
    }
}
