//! Unlinking an identity from one's own account.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::{LastWayIn, WaysIn},
    events::Event,
    sessions::EndReason,
};

use super::Federation;
use crate::{
    RequestContext,
    ports::{MessageKind, SessionSnapshot, StoreError},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why the identity was not unlinked.
#[derive(Debug, thiserror::Error)]
pub enum UnlinkError {
    /// No identity is linked.
    #[error("no identity is linked")]
    NotLinked,
    /// Without it, the account could not be opened any more.
    #[error(transparent)]
    LastWayIn(#[from] LastWayIn),
    /// The account was changed concurrently.
    #[error("the account changed meanwhile")]
    Conflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(UnlinkError);

impl Federation {
    /// Unlinks the identity at this provider (`DELETE /me/providers/{name}`). Ends all other sessions of the
    /// account, because one of them may belong to another person who controls the identity by now. The caller has
    /// verified that the sign-in is recent.
    ///
    /// # Errors
    /// [`UnlinkError`].
    #[tracing::instrument(skip_all)]
    pub async fn unlink(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<(), UnlinkError> {
        retrying(|| self.unlink_once(who, ctx)).await
    }

    async fn unlink_once(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<(), UnlinkError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        let fresh = base.as_of_now(who, now).await?;
        let found = base.store.credentials_of(account).await?;
        let (record, password) = found.ok_or(UnlinkError::NotLinked)?;
        if fresh.owner.account.version != record.account.version {
            // The same change may have ended the session.
            return Err(StoreError::Retryable.into());
        }
        // Read after the version: a later removal of another identity is detected by the version check below.
        let identities = base.store.identities_of(account).await?;
        let others = identities.iter().any(|it| it.provider != self.name());
        let opened = base.open_account(&record)?;
        let left = WaysIn {
            password: password.is_some(),
            federated: others,
            passkey: record.second_factors.passkeys,
            code: base.opens_by_code(&opened, now).await?,
        };
        let key = opened.key;
        let mut unit = base.begin_as(who, now).await?;
        if !unit.federation().unlink(account, self.name()).await? {
            return Err(UnlinkError::NotLinked);
        }
        if let Err(last) = left.suffice() {
            drop(unit);
            let outcome = Outcome::Refused("last_way_in");
            let act = Act::of(Action::IdentityUnlinked, outcome, account, &key)
                .session(who.session)
                .at_provider(self.name());
            base.put_on_record(&act, ctx).await?;
            return Err(last.into());
        }
        // A concurrent removal of another credential read the same version, so one of the two fails here.
        let version = record.account.version;
        if !unit.accounts().advance(account, version, now).await? {
            return Err(UnlinkError::Conflict);
        }
        let provider = self.name();
        let act = Act::of(Action::IdentityUnlinked, Outcome::Success, account, &key)
            .session(who.session)
            .at_provider(provider);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let event = base.event(Event::IdentityUnlinked { account, provider }, ctx, now);
        unit.outbox().append_events(&[event]).await?;
        let notice = MessageKind::CredentialRemoved(self.credential());
        let change = (EndReason::IdentityUnlinked, notice);
        let of = (account, &key);
        base.way_in_changed(unit, of, who.session, change, ctx, now)
            .await?;
        Ok(())
    }
}
