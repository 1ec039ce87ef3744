//! Removing a passkey.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::{CredentialKind, LastWayIn, WaysIn},
    events::Event,
    passkeys::PasskeyId,
    sessions::EndReason,
};

use super::Passkeys;
use crate::{
    RequestContext,
    ports::{MessageKind, SessionSnapshot, StoreError},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why no passkey was removed.
#[derive(Debug, thiserror::Error)]
pub enum RemovePasskeyError {
    /// There is no such passkey, or it belongs to another account.
    #[error("there is no such passkey")]
    NotFound,
    /// Without it, the owner could not sign in any more.
    #[error(transparent)]
    LastWayIn(#[from] LastWayIn),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RemovePasskeyError);

impl Passkeys {
    /// Removes one of the account's passkeys. Ends all other sessions of the account.
    ///
    /// # Errors
    /// [`RemovePasskeyError`].
    #[tracing::instrument(skip_all)]
    pub async fn remove(
        &self,
        who: &SessionSnapshot,
        passkey: PasskeyId,
        ctx: &RequestContext,
    ) -> Result<(), RemovePasskeyError> {
        retrying(|| self.remove_once(who, passkey, ctx)).await
    }

    async fn remove_once(
        &self,
        who: &SessionSnapshot,
        passkey: PasskeyId,
        ctx: &RequestContext,
    ) -> Result<(), RemovePasskeyError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        let fresh = base.as_of_now(who, now).await?;
        // The account is read first, so that a later removal of another credential is detected by its version.
        let owner = base.store.credentials_of(account).await?;
        let (owner, password) = owner.ok_or(RemovePasskeyError::NotFound)?;
        let version = owner.account.version;
        if fresh.owner.account.version != version {
            // The same change may have ended the session.
            return Err(StoreError::Retryable.into());
        }
        let passkeys = base.store.list_passkeys(account).await?;
        if !passkeys.iter().any(|record| record.id == passkey) {
            return Err(RemovePasskeyError::NotFound);
        }
        let opened = base.open_account(&owner)?;
        let left = WaysIn {
            password: password.is_some(),
            federated: !base.store.identities_of(account).await?.is_empty(),
            passkey: passkeys.len() > 1,
            code: base.opens_by_code(&opened, now).await?,
        };
        let key = opened.key;
        if let Err(last) = left.suffice() {
            let refused = Outcome::Refused("last_way_in");
            let act = Act::of(Action::PasskeyRemoved, refused, account, &key).session(who.session);
            base.put_on_record(&act, ctx).await?;
            return Err(last.into());
        }
        let mut unit = base.begin_as(who, now).await?;
        if !unit
            .second_factors()
            .factors_changed(account, version, now)
            .await?
        {
            return Err(StoreError::Retryable.into());
        }
        if !unit.passkeys().remove(account, passkey).await? {
            return Err(RemovePasskeyError::NotFound);
        }
        if passkeys.len() == 1 && !owner.second_factors.totp {
            // Recovery codes replace a second factor, and none is left.
            unit.second_factors()
                .replace_recovery_codes(account, &[], now)
                .await?;
        }
        let act =
            Act::of(Action::PasskeyRemoved, Outcome::Success, account, &key).session(who.session);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let removed = base.event(Event::PasskeyRemoved { account, passkey }, ctx, now);
        unit.outbox().append_events(&[removed]).await?;
        let notice = MessageKind::CredentialRemoved(CredentialKind::Passkey);
        let change = (EndReason::FactorsChanged, notice);
        let of = (account, &key);
        base.way_in_changed(unit, of, who.session, change, ctx, now)
            .await?;
        Ok(())
    }
}
