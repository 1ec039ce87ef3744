//! Setting an authenticator app up: a secret is shown, and counts once a code of it was typed.
//!
//! An app that counts already stays untouched until the next one is confirmed.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::CredentialKind,
    events::Event,
    mfa::{SecondFactor, TotpRules, TotpSecret},
    sessions::EndReason,
};
use common::{access::AuthenticationMethod, clock};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{FreshRecoveryCodes, Mfa, verify::secret_field};
use crate::{
    RequestContext,
    challenges::ProofError,
    ports::{MessageKind, SessionSnapshot, StoreError, TotpEnrolment},
    recorder::Act,
    retry::{MayBeRetried, retry_on_store_error, retrying},
};

/// Why there is no secret to show.
#[derive(Debug, thiserror::Error)]
pub enum EnrolTotpError {
    /// The account's name does not fit into a QR code.
    #[error("the secret cannot be shown")]
    CannotBeShown,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(EnrolTotpError);

/// Why the app does not count yet.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmTotpError {
    /// The code is not one of the secret that was shown last, or that was too long ago.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl From<StoreError> for ConfirmTotpError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl MayBeRetried for ConfirmTotpError {
    fn is_retryable(&self) -> bool {
        let Self::Proof(error) = self;
        error.is_retryable()
    }
}

impl Mfa {
    /// A fresh secret for an authenticator app, shown once.
    ///
    /// # Errors
    /// [`EnrolTotpError`].
    #[tracing::instrument(skip_all)]
    pub async fn begin_totp(&self, who: &SessionSnapshot) -> Result<TotpEnrolment, EnrolTotpError> {
        let base = &self.base;
        let now = base.clock.now();
        let owner = base.open_account(&who.owner)?;
        let secret = TotpSecret(Zeroizing::new(base.random_bytes()));
        let label = owner.view.identifier.to_text();
        let enrolment = base
            .totp
            .enrolment(&secret, &label)
            .ok_or(EnrolTotpError::CannotBeShown)?;
        let sealed = base
            .vault
            .seal(&owner.key, secret_field(&owner), secret.0.as_slice());
        retrying(|| async {
            let mut unit = base.store.begin().await?;
            unit.second_factors()
                .begin_totp(owner.id(), &sealed, now)
                .await?;
            unit.commit().await
        })
        .await?;
        Ok(enrolment)
    }

    /// Lets the app count whose code was typed, and gives a fresh set of recovery codes. The session is one
    /// with two factors from now on.
    ///
    /// # Errors
    /// [`ConfirmTotpError`]; a wrong code is counted.
    #[tracing::instrument(skip_all)]
    pub async fn confirm_totp(
        &self,
        who: &SessionSnapshot,
        typed: &SecretString,
        ctx: &RequestContext,
    ) -> Result<FreshRecoveryCodes, ConfirmTotpError> {
        // Once, however often what follows is tried.
        let base = &self.base;
        let (owner, now) = (base.open_account(&who.owner)?, base.clock.now());
        retrying(|| base.spend_a_guess(who, &owner, now)).await?;
        retrying(|| self.confirm_once(who, typed, ctx)).await
    }

    async fn confirm_once(
        &self,
        who: &SessionSnapshot,
        typed: &SecretString,
        ctx: &RequestContext,
    ) -> Result<FreshRecoveryCodes, ConfirmTotpError> {
        let base = &self.base;
        let now = base.clock.now();
        // As of now: a session that was ended meanwhile changes nothing.
        let fresh = base.store.find_snapshot(who.session, now).await?;
        let fresh = fresh.ok_or(ProofError::InvalidCode)?;
        let owner = base.open_account(&fresh.owner)?;
        let (account, key) = (owner.id(), &owner.key);
        let pending = base
            .store
            .totp_state(account)
            .await?
            .pending
            .filter(|(_, since)| clock::is_within(*since, TotpRules::ENROLMENT, now));
        let Some((sealed, _)) = pending else {
            return Err(ProofError::InvalidCode.into());
        };
        let secret = base.open_totp_secret(&owner, &sealed)?;
        let step = base.totp.matching_step(&secret, typed.expose_secret(), now);
        let step = step.ok_or(ProofError::InvalidCode)?;
        let mut unit = base.store.begin().await?;
        let version = owner.view.account.version;
        if !unit
            .second_factors()
            .factors_changed(account, version, now)
            .await?
        {
            return Err(StoreError::Retryable.into());
        }
        let confirmed = unit
            .second_factors()
            .confirm_totp(account, &sealed, step, now)
            .await?;
        if !confirmed {
            return Err(ProofError::InvalidCode.into());
        }
        let second = AuthenticationMethod::Totp;
        if !unit
            .sessions()
            .add_second_factor(who.session, account, second, now)
            .await?
        {
            return Err(ProofError::InvalidCode.into());
        }
        let act =
            Act::of(Action::SecondFactorAdded, Outcome::Success, account, key).session(who.session);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let added = Event::SecondFactorAdded {
            account,
            factor: SecondFactor::Totp,
        };
        unit.outbox()
            .append_events(&[base.event(added, ctx, now)])
            .await?;
        let codes = base
            .put_recovery_codes(unit.as_mut(), &owner, ctx, now)
            .await?;
        let added = MessageKind::CredentialAdded(CredentialKind::Totp);
        let change = (EndReason::FactorsChanged, added);
        let of = (account, key);
        base.way_in_changed(unit, of, who.session, change, ctx, now)
            .await?;
        Ok(codes)
    }
}
