//! The devices from which the account's owner signed in before.

use authentication_domain::{
    audit::{Action, Outcome},
    sessions::DeviceId,
};
use common::clock;
use time::OffsetDateTime;

use super::Sessions;
use crate::{
    RequestContext,
    ports::{SessionSnapshot, StoreError},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// A device as its owner's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice {
    /// The device's id.
    pub device: DeviceId,
    /// Whether the current session was begun from it.
    pub is_current: bool,
    /// When the account first signed in from it.
    pub created_at: OffsetDateTime,
    /// When the account last signed in from it.
    pub last_used_at: OffsetDateTime,
    /// Until when the device may skip the second factor, if it still may.
    pub remembered_until: Option<OffsetDateTime>,
}

/// Why no device was removed.
#[derive(Debug, thiserror::Error)]
pub enum ForgetDeviceError {
    /// There is no such device, or it belongs to another account.
    #[error("there is no such device")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(ForgetDeviceError);

impl Sessions {
    /// The account's devices, most recently used first. Their number is small, so there are no pages.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn list_devices(
        &self,
        who: &SessionSnapshot,
    ) -> Result<Vec<KnownDevice>, StoreError> {
        let account = who.owner.account.id;
        let (devices, current) = self.base.store.list_devices(account, who.session).await?;
        let now = self.base.clock.now();
        let longest = self.base.rules.second_factors.remember_for;
        let skips = |until: &OffsetDateTime| clock::counts_until(*until, longest, now);
        let known = devices.into_iter().map(|it| KnownDevice {
            device: it.device,
            is_current: current == Some(it.device),
            created_at: it.created_at,
            last_used_at: it.last_used_at,
            remembered_until: it.remembered_until.filter(skips),
        });
        Ok(known.collect())
    }

    /// Removes one of the account's devices: from then on it counts as unknown. Sessions begun from it continue.
    ///
    /// # Errors
    /// [`ForgetDeviceError`].
    #[tracing::instrument(skip_all)]
    pub async fn forget_device(
        &self,
        who: &SessionSnapshot,
        device: DeviceId,
        ctx: &RequestContext,
    ) -> Result<(), ForgetDeviceError> {
        retrying(|| self.forget_once(who, device, ctx)).await
    }

    async fn forget_once(
        &self,
        who: &SessionSnapshot,
        device: DeviceId,
        ctx: &RequestContext,
    ) -> Result<(), ForgetDeviceError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        let key = base.data_key(&who.owner)?;
        let mut unit = base.store.begin().await?;
        if !unit.devices().forget(account, device).await? {
            return Err(ForgetDeviceError::NotFound);
        }
        let act =
            Act::of(Action::DeviceForgotten, Outcome::Success, account, &key).session(who.session);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        Ok(())
    }
}
