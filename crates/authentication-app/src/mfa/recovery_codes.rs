//! Recovery codes: creating a new set, which is shown once.

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

/// A new set of recovery codes, shown to its owner once.
#[derive(Debug)]
pub struct FreshRecoveryCodes(pub Vec<RecoveryCode>);

/// Why no new set was created.
#[derive(Debug, thiserror::Error)]
pub enum RenewRecoveryCodesError {
    /// There is no second factor that the codes could replace.
    #[error("no second factor is set up")]
    NoSecondFactor,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RenewRecoveryCodesError);

impl Mfa {
    /// Creates a new set of recovery codes and voids the old one.
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
    /// Creates a set and stores the digests of its codes, replacing any earlier set.
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
