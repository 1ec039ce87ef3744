//! Setting up an authenticator app: a secret is shown, and becomes active once a code of it is typed.
//!
//! An active app stays unchanged until the new one is confirmed.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::CredentialKind,
    events::Event,
    mfa::{RecoveryCode, SecondFactor, TotpRules, TotpSecret},
    sessions::EndReason,
};
use common::{access::AuthenticationMethod, clock};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{FreshRecoveryCodes, Mfa, verify::secret_field};
use crate::{
    RepeatError, Repeatable, RequestContext,
    challenges::ProofError,
    ports::{MessageKind, SessionSnapshot, SigningFailed, StoreError, TotpEnrolment},
    recorder::Act,
    retry::{MayBeRetried, retry_on_store_error, retrying},
    sessions::{RecordedTokens, RenewError, TokenSet},
};

/// Why no secret can be shown.
#[derive(Debug, thiserror::Error)]
pub enum EnrolTotpError {
    /// The account's name does not fit into a QR code.
    #[error("the secret cannot be shown")]
    CannotBeShown,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(EnrolTotpError);

/// Why the app was not activated.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmTotpError {
    /// The code does not match the secret that was shown last, or the secret was shown too long ago.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The idempotency key prevents a response to this request.
    #[error(transparent)]
    Repeat(#[from] RepeatError),
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl From<RenewError> for ConfirmTotpError {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Signing(error) => error.into(),
            RenewError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for ConfirmTotpError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl MayBeRetried for ConfirmTotpError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Proof(error) => error.is_retryable(),
            Self::Repeat(error) => error.is_retryable(),
            Self::Signing(_) => false,
        }
    }
}

/// The result of activating an authenticator app.
#[derive(Debug)]
pub struct ConfirmedTotp {
    /// The new recovery codes.
    pub codes: FreshRecoveryCodes,
    /// The session's new tokens: the session now has two factors, and its earlier tokens are invalid.
    pub tokens: TokenSet,
}

/// A [`ConfirmedTotp`], as recorded. Sealed.
#[derive(Serialize, Deserialize)]
struct RecordedConfirmation {
    codes: Vec<String>,
    tokens: RecordedTokens,
}

impl From<&ConfirmedTotp> for RecordedConfirmation {
    fn from(confirmed: &ConfirmedTotp) -> Self {
        let FreshRecoveryCodes(codes) = &confirmed.codes;
        Self {
            codes: codes.iter().map(|code| code.expose().to_owned()).collect(),
            tokens: (&confirmed.tokens).into(),
        }
    }
}

impl From<RecordedConfirmation> for ConfirmedTotp {
    fn from(recorded: RecordedConfirmation) -> Self {
        let codes = recorded.codes.iter();
        Self {
            codes: FreshRecoveryCodes(codes.filter_map(|code| RecoveryCode::parse(code)).collect()),
            tokens: recorded.tokens.into(),
        }
    }
}

impl Mfa {
    /// Begins the setup with a new secret, which is shown only once.
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
            let mut unit = base.begin_as(who, now).await?;
            unit.second_factors()
                .begin_totp(owner.id(), &sealed, now)
                .await?;
            unit.commit().await
        })
        .await?;
        Ok(enrolment)
    }

    /// Activates the app whose code was typed, and creates a new set of recovery codes. From then on the session
    /// has two factors, and only the returned tokens are valid. A repetition of the request with its idempotency
    /// key gets the same response.
    ///
    /// # Errors
    /// [`ConfirmTotpError`]; a wrong code is counted.
    #[tracing::instrument(skip_all)]
    pub async fn confirm_totp(
        &self,
        who: &SessionSnapshot,
        typed: &SecretString,
        repeatable: Repeatable,
        ctx: &RequestContext,
    ) -> Result<ConfirmedTotp, ConfirmTotpError> {
        if let Some(confirmed) = self.confirmed_before(repeatable).await? {
            return Ok(confirmed);
        }
        // Spent once, however often the next step is retried.
        let base = &self.base;
        let (owner, now) = (base.open_account(&who.owner)?, base.clock.now());
        retrying(|| base.spend_a_guess(who, &owner, now)).await?;
        let done = retrying(|| self.confirm_once(who, typed, repeatable, ctx)).await;
        let was_refused = matches!(
            done,
            Err(ConfirmTotpError::Proof(
                ProofError::InvalidCode | ProofError::Store(StoreError::SessionOver)
            ))
        );
        // A concurrent request with the same idempotency key may have come first and replaced the token.
        if was_refused && let Some(confirmed) = self.confirmed_before(repeatable).await? {
            return Ok(confirmed);
        }
        repeatable.settle(done)
    }

    async fn confirmed_before(
        &self,
        repeatable: Repeatable,
    ) -> Result<Option<ConfirmedTotp>, RepeatError> {
        let base = &self.base;
        let given: Option<RecordedConfirmation> =
            base.answer_before(repeatable, base.clock.now()).await?;
        Ok(given.map(ConfirmedTotp::from))
    }

    async fn confirm_once(
        &self,
        who: &SessionSnapshot,
        typed: &SecretString,
        repeatable: Repeatable,
        ctx: &RequestContext,
    ) -> Result<ConfirmedTotp, ConfirmTotpError> {
        let base = &self.base;
        let now = base.clock.now();
        let fresh = base.as_of_now(who, now).await?;
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
        let mut unit = base.begin_as(who, now).await?;
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
        let method = AuthenticationMethod::Totp;
        let tokens = base
            .renew_session(unit.as_mut(), (who.session, &owner), method, now)
            .await?
            .ok_or(ProofError::InvalidCode)?;
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
        let confirmed = ConfirmedTotp { codes, tokens };
        let answer = RecordedConfirmation::from(&confirmed);
        let first = base
            .record_repeatable(unit.as_mut(), repeatable, &answer, now)
            .await?;
        if let Some(first) = first {
            return Ok(first.into());
        }
        let added = MessageKind::CredentialAdded(CredentialKind::Totp);
        let change = (EndReason::FactorsChanged, added);
        let of = (account, key);
        base.way_in_changed(unit, of, who.session, change, ctx, now)
            .await?;
        Ok(confirmed)
    }
}
