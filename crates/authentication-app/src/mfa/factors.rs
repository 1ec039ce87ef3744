//! Removing a second factor.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    challenges::{ChallengeRules, Purpose},
    credentials::CredentialKind,
    events::Event,
    mfa::SecondFactor,
    sessions::EndReason,
};
use time::OffsetDateTime;

use super::Mfa;
use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    challenges::ProofError,
    ports::{MessageKind, SessionSnapshot, StoreError, TriesScope},
    recorder::Act,
    retry::{retry_on_store_error, retrying},
};

/// Why no factor was removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveFactorError {
    /// There is no such factor.
    #[error("there is no such second factor")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(RemoveFactorError);

impl Mfa {
    /// Removes the authenticator app, and also the recovery codes unless the account still has a passkey.
    ///
    /// # Errors
    /// [`RemoveFactorError`].
    #[tracing::instrument(skip_all)]
    pub async fn remove_totp(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<(), RemoveFactorError> {
        retrying(|| self.remove_once(who, ctx)).await
    }

    async fn remove_once(
        &self,
        who: &SessionSnapshot,
        ctx: &RequestContext,
    ) -> Result<(), RemoveFactorError> {
        let base = &self.base;
        let now = base.clock.now();
        let account: AccountId = who.owner.account.id;
        let fresh = base.as_of_now(who, now).await?;
        let owner = base.open_account(&fresh.owner)?;
        let mut unit = base.begin_as(who, now).await?;
        let version = owner.view.account.version;
        if !unit
            .second_factors()
            .factors_changed(account, version, now)
            .await?
        {
            return Err(StoreError::Retryable.into());
        }
        if !unit.second_factors().remove_totp(account).await? {
            return Err(RemoveFactorError::NotFound);
        }
        if !owner.view.second_factors.passkeys {
            unit.second_factors()
                .replace_recovery_codes(account, &[], now)
                .await?;
        }
        let act = Act::of(
            Action::SecondFactorRemoved,
            Outcome::Success,
            account,
            &owner.key,
        )
        .session(who.session);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let removed = Event::SecondFactorRemoved {
            account,
            factor: SecondFactor::Totp,
        };
        unit.outbox()
            .append_events(&[base.event(removed, ctx, now)])
            .await?;
        let removed = MessageKind::CredentialRemoved(CredentialKind::Totp);
        let change = (EndReason::FactorsChanged, removed);
        let of = (account, &owner.key);
        base.way_in_changed(unit, of, who.session, change, ctx, now)
            .await?;
        Ok(())
    }
}

impl Foundation {
    /// Counts a guess of a code that is made through a session, before it is judged: a stolen session must allow no
    /// more guesses than a stolen password. The guesses count for the session, so that they lock no other session
    /// or device.
    pub(crate) async fn spend_a_guess(
        &self,
        who: &SessionSnapshot,
        owner: &OpenedAccount,
        now: OffsetDateTime,
    ) -> Result<(), ProofError> {
        let scope = TriesScope {
            subject: self.index.keys_of(&owner.view.identifier).subject,
            purpose: Purpose::SecondFactor,
            device: Some(who.as_device()),
        };
        let (most, window) = (
            self.rules.challenges.tries_per_window,
            ChallengeRules::TRIES_WINDOW,
        );
        let mut unit = self.store.begin().await?;
        let counted = unit.attempts().count_try(scope, most, window, now).await?;
        if counted.is_none() {
            return Err(ProofError::TooManyAttempts {
                retry_after: window,
            });
        }
        Ok(unit.commit().await?)
    }
}
