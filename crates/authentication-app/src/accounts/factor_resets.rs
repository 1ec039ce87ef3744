//! Removing every second factor from an account whose owner lost them (`docs/account-recovery.md`).
//!
//! An operator requests a reset, the owner is notified, and after the waiting period the reset is carried out
//! unless the owner objects. Any number of nodes may process resets: each step is claimed.

use std::sync::Arc;

use authentication_domain::{
    accounts::Closed,
    audit::{Action, Diff, Outcome},
    events::Event,
    sessions::EndReason,
};
use common::{Id, RequestId};
use serde_json::json;
use time::OffsetDateTime;

use super::OpenedAccount;
use crate::{
    Awaited, Foundation, Origin, RequestContext,
    ports::{FactorReset, Invalidation, MessageKind, StoreError},
    recorder::Act,
    retry::retrying,
};

/// The maximum number of resets per round.
const MOST: u32 = 1000;

/// The type of round ids.
enum Round {}

/// The step that was taken for a reset.
enum Step {
    Announced,
    CarriedOut,
    CalledOff,
}

/// The use cases for factor resets.
#[derive(Clone)]
pub struct FactorResets {
    base: Arc<Foundation>,
}

/// The result of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactorResetsDone {
    /// The number of owners who were notified.
    pub announced: usize,
    /// The number of resets whose notice has been sent since, so that their waiting period begins.
    pub waits_begun: u64,
    /// The number of accounts whose factors were removed.
    pub carried_out: usize,
    /// The number of resets that were dropped, because an operator called them off or they became pointless.
    pub called_off: usize,
    /// The number of resets that failed; the log has the reasons.
    pub failed: usize,
}

impl FactorResets {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }

    /// Notifies owners of new requests, and carries out resets that are due. One that fails does not delay the
    /// others.
    ///
    /// # Errors
    /// [`StoreError`] when the list of resets cannot be read.
    #[tracing::instrument(skip_all)]
    pub async fn round(&self) -> Result<FactorResetsDone, StoreError> {
        let base = &self.base;
        let mut done = FactorResetsDone::default();
        let ctx = self.context();
        let now = base.clock.now();
        let wait = base.rules.identifiers.factor_reset_wait;
        done.waits_begun = base.store.begin_waits_of_resets(now, now + wait).await?;
        for reset in base.store.list_factor_resets_to_do(MOST, now).await? {
            match retrying(|| self.look_after(&reset, &ctx)).await {
                Ok(Some(Step::Announced)) => done.announced += 1,
                Ok(Some(Step::CarriedOut)) => done.carried_out += 1,
                Ok(Some(Step::CalledOff)) => done.called_off += 1,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, account = %reset.account, "a reset of factors has to wait");
                    done.failed += 1;
                }
            }
        }
        if done.announced + done.carried_out > 0 {
            base.messages_queued.notify_one();
        }
        Ok(done)
    }

    /// Takes one step of one reset; `None` when another node took it.
    async fn look_after(
        &self,
        reset: &FactorReset,
        ctx: &RequestContext,
    ) -> Result<Option<Step>, StoreError> {
        let Some(owner) = self.base.read_account(reset.account).await? else {
            return Ok(None);
        };
        let is_closed = owner.view.account.gate() == Err(Closed::Absent);
        let (step, is_done) = if reset.called_off || is_closed {
            (Step::CalledOff, self.call_off(reset, &owner, ctx).await?)
        } else if !reset.announced {
            (Step::Announced, self.announce(reset, &owner, ctx).await?)
        } else {
            (Step::CarriedOut, self.carry_out(reset, &owner, ctx).await?)
        };
        Ok(is_done.then_some(step))
    }

    async fn announce(
        &self,
        reset: &FactorReset,
        owner: &OpenedAccount,
        ctx: &RequestContext,
    ) -> Result<bool, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let due_at = now + base.rules.identifiers.factor_reset_wait;
        let mut unit = base.store.begin().await?;
        if !unit
            .factor_resets()
            .announce(reset.account, now, due_at)
            .await?
        {
            return Ok(false);
        }
        let act = self.act(Action::FactorResetAnnounced, owner, reset);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let kind = MessageKind::FactorResetAnnounced;
        base.notice(unit.as_mut(), kind, reset.account, ctx, now)
            .await?;
        unit.commit().await?;
        Ok(true)
    }

    async fn carry_out(
        &self,
        reset: &FactorReset,
        owner: &OpenedAccount,
        ctx: &RequestContext,
    ) -> Result<bool, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = reset.account;
        let mut unit = base.begin_change(account).await?;
        if !unit.factor_resets().claim_due(account, now).await? {
            return Ok(false);
        }
        let version = owner.view.account.version;
        if !unit
            .factor_resets()
            .remove_factors(account, version, now)
            .await?
        {
            return Err(StoreError::Retryable);
        }
        unit.devices().forget_all(account).await?;
        let reason = EndReason::FactorsReset;
        let ended = unit.sessions().end_all(account, None, reason, now).await?;
        let act = self.act(Action::FactorsReset, owner, reset);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let event = base.event(Event::FactorsReset { account }, ctx, now);
        unit.outbox().append_events(&[event]).await?;
        let whose = (account, &owner.key);
        base.record_ended(unit.as_mut(), whose, &ended, reason, ctx, now)
            .await?;
        base.notice(unit.as_mut(), MessageKind::FactorsReset, account, ctx, now)
            .await?;
        let changed = vec![account];
        base.commit_and_tell(unit, &Invalidation { ended, changed })
            .await?;
        Ok(true)
    }

    async fn call_off(
        &self,
        reset: &FactorReset,
        owner: &OpenedAccount,
        ctx: &RequestContext,
    ) -> Result<bool, StoreError> {
        let base = &self.base;
        let now = base.clock.now();
        let mut unit = base.store.begin().await?;
        if !unit.factor_resets().drop_called_off(reset.account).await? {
            return Ok(false);
        }
        let act = self.act(Action::FactorResetCalledOff, owner, reset);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        Ok(true)
    }

    /// Without an actor: the requester is recorded in the ticket that the reason names.
    fn act(&self, action: Action, owner: &OpenedAccount, reset: &FactorReset) -> Act<'static> {
        let subject = self.base.index.keys_of(&owner.view.identifier).subject;
        Act::on_identifier(action, Outcome::Success, subject)
            .about(Some(owner.id()))
            .diff(Diff::between(&json!({}), &json!({"reason": reset.reason})))
    }

    fn context(&self) -> RequestContext {
        let now: OffsetDateTime = self.base.clock.now();
        let round = Id::<Round>::at(now, self.base.random.as_ref());
        RequestContext {
            request_id: RequestId::from_uuid(round.as_uuid()),
            origin: Origin {
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                user_agent: None,
            },
            device_token: None,
            may_send: true,
            awaited: Awaited::default(),
        }
    }
}
