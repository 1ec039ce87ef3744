//! Changing one's profile.

use authentication_domain::{
    audit::{Action, Diff, Outcome},
    events::Event,
    profiles::ProfileChange,
};

use super::{AccountView, Accounts};
use crate::{
    RequestContext,
    ports::{Invalidation, SessionSnapshot, StoreError},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why the profile was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateProfileError {
    /// Another session changed it concurrently; read it again.
    #[error("the profile was changed at the same moment")]
    Conflict,
    /// The account does not exist any more.
    #[error("there is no such account")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(UpdateProfileError);

impl Accounts {
    /// Changes the given fields of the account's profile.
    ///
    /// # Errors
    /// [`UpdateProfileError`].
    #[tracing::instrument(skip_all)]
    pub async fn update_profile(
        &self,
        who: &SessionSnapshot,
        change: &ProfileChange,
        ctx: &RequestContext,
    ) -> Result<AccountView, UpdateProfileError> {
        retrying(|| self.update_once(who, change, ctx)).await
    }

    async fn update_once(
        &self,
        who: &SessionSnapshot,
        change: &ProfileChange,
        ctx: &RequestContext,
    ) -> Result<AccountView, UpdateProfileError> {
        let base = &self.base;
        let now = base.clock.now();
        let account = who.owner.account.id;
        // The snapshot may be a second old; the comparison needs the latest version.
        let (record, _) = base
            .store
            .credentials_of(account)
            .await?
            .ok_or(UpdateProfileError::NotFound)?;
        let mut opened = base.open_account(&record)?;
        let next = change.clone().apply_to(&opened.view.profile);
        let diff = Diff::between(&opened.view.profile, &next);
        if diff.is_empty() {
            return Ok(opened.view);
        }
        let fields = diff.fields().map(str::to_owned).collect();
        let sealed = base.seal_profile(account, &opened.key, &next);
        let mut unit = base.begin_as(who, now).await?;
        let saved = unit
            .accounts()
            .save_profile(account, record.profile_version, &sealed, now)
            .await?;
        if !saved {
            return Err(UpdateProfileError::Conflict);
        }
        let act = Act::of(
            Action::ProfileChanged,
            Outcome::Success,
            account,
            &opened.key,
        )
        .session(who.session)
        .diff(diff);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let event = base.event(Event::ProfileChanged { account, fields }, ctx, now);
        unit.outbox().append_events(&[event]).await?;
        base.commit_and_tell(unit, &Invalidation::of_account(account))
            .await?;
        opened.view.profile = next;
        opened.view.account.timestamps = record.account.timestamps.touched(now);
        Ok(opened.view)
    }
}
