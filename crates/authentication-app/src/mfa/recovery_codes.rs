//! Recovery codes: a fresh set, shown once.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::CredentialKind,
    mfa::{RecoveryCode, RecoveryCodeDigest},
};
use time::OffsetDateTime;

use super::Mfa;
use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    ports::{Invalidation, MessageKind, SessionSnapshot, StoreError, UnitOfWork},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// A set of recovery codes, as its owner is shown it once.
#[derive(Debug)]
pub struct FreshRecoveryCodes(pub Vec<RecoveryCode>);

/// Why there is no fresh set.
#[derive(Debug, thiserror::Error)]
pub enum RenewRecoveryCodesError {
    /// There is no second factor that the codes would stand in for.
    #[error("no second factor is set up")]
    NoSecondFactor,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RenewRecoveryCodesError);

impl Mfa {
    /// A fresh set of recovery codes; the old ones are void.
    ///
    /// # Errors
    /// [`RenewRecoveryCodesError`].
    #[tracing::instrument(skip_all)]
    pub async fn renew_recovery_codes(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<FreshRecoveryCodes, RenewRecoveryCodesError> {
        retrying(|| self.renew_once(who, ctx)).await
    }

    async fn renew_once(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<FreshRecoveryCodes, RenewRecoveryCodesError> {
        let base = &self.base;
        let now = base.clock.now();
        let fresh = base.as_of_now(who, now).await?;
        if !fresh.owner.second_factors.is_enabled() {
            return Err(RenewRecoveryCodesError::NoSecondFactor);
        }
        let owner = base.open_account(&fresh.owner)?;
        let mut unit = base.begin_as(who, now).await?;
        let version = owner.view.account.version;
        if !unit.accounts().advance(owner.id(), version, now).await? {
            return Err(StoreError::Retryable.into());
        }
        let codes = base
            .put_recovery_codes(unit.as_mut(), &owner, ctx, now)
            .await?;
        let kind = MessageKind::CredentialAdded(CredentialKind::RecoveryCodes);
        base.notice(unit.as_mut(), kind, owner.id(), ctx, now)
            .await?;
        base.commit_and_tell(unit, &Invalidation::of_account(owner.id()))
            .await?;
        base.messages_queued.notify_one();
        Ok(codes)
    }
}

impl Foundation {
    /// Makes a set and keeps what is kept of it, in the place of whatever there was.
    pub(super) async fn put_recovery_codes(
        &self,
        unit: &mut dyn UnitOfWork,
        owner: &OpenedAccount,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<FreshRecoveryCodes, StoreError> {
        let codes: Vec<_> =
            std::iter::repeat_with(|| RecoveryCode::from_random(self.random_bytes()))
                .take(RecoveryCode::COUNT)
                .collect();
        let digests: Vec<RecoveryCodeDigest> =
            codes.iter().map(|code| code.digest(owner.id())).collect();
        unit.second_factors()
            .replace_recovery_codes(owner.id(), &digests, now)
            .await?;
        let action = Action::RecoveryCodesRenewed;
        let act = Act::of(action, Outcome::Success, owner.id(), &owner.key);
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        Ok(FreshRecoveryCodes(codes))
    }
}
