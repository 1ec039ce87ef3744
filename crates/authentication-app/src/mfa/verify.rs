//! Proving a second factor with a code: from an authenticator app, from a message, or a recovery code.
//!
//! A code is used up in the unit that begins the session, so that of concurrent requests exactly one signs in.

use authentication_domain::{
    audit::{Action, Outcome},
    challenges::{OneTimeCode, Purpose},
    mfa::{RecoveryCode, SecondFactor, TotpSecret, TotpStep},
    opaque_token::OpaqueToken,
};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::{Mfa, PendingSignIn, ProvenFactor, pending::CompleteError};
use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    challenges::ProofError,
    corrupt, measured,
    ports::{
        CodeDispatch, FieldContext, Measure, MessageKind, Sealed, SignInMethod, SigningFailed,
        StoreError, Subject, TotpRecord, UnitOfWork,
    },
    recorder::Act,
    retry::{MayBeRetried, retrying},
    sessions::{AnsweredSignIn, BeginError, RecordedSignIn, SignedIn},
    single_use::{Presented, SingleUse, SingleUseError},
};

/// A code for a second factor.
#[derive(Debug)]
pub struct VerifySecondFactor {
    /// The pending sign-in's challenge.
    pub challenge: OpaqueToken,
    /// The typed code.
    pub proof: SecondProof,
    /// Whether the device may skip the second factor from now on.
    pub remember_device: bool,
}

/// A typed code.
#[derive(Debug)]
pub struct SecondProof {
    /// The factor that the code claims to belong to.
    pub factor: SecondFactor,
    /// The code.
    pub typed: SecretString,
}

/// Why the sign-in was not completed.
#[derive(Debug, thiserror::Error)]
pub enum VerifySecondFactorError {
    /// The code or the challenge is not valid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// This sign-in may not be completed with this factor.
    #[error("this second factor is not allowed here")]
    FactorNotAllowed,
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl From<StoreError> for VerifySecondFactorError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl SingleUseError for VerifySecondFactorError {
    fn used_up() -> Self {
        Self::Proof(ProofError::used_up())
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Proof(error) if error.is_refusal())
    }
}

impl From<CompleteError> for VerifySecondFactorError {
    fn from(error: CompleteError) -> Self {
        match error {
            CompleteError::Proof(error) => error.into(),
            CompleteError::Begin(BeginError::Signing(error)) => error.into(),
            CompleteError::Begin(BeginError::Store(error)) => error.into(),
        }
    }
}

impl MayBeRetried for VerifySecondFactorError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Proof(ProofError::Store(error)) if error.is_retryable())
    }
}

/// A right code, with what is needed to use it up.
pub(crate) enum RightSecondFactor {
    Totp(TotpStep),
    /// The code that was sent last, and the subject under which it is stored: the index keys may rotate in between.
    Sent(CodeDispatch, Subject),
    Recovery(RecoveryCode),
}

impl Mfa {
    /// Completes a sign-in with a code.
    ///
    /// # Errors
    /// [`VerifySecondFactorError`]; a wrong code is counted.
    #[tracing::instrument(skip_all)]
    pub async fn verify(
        &self,
        command: &VerifySecondFactor,
        ctx: &RequestContext,
    ) -> Result<SignedIn, VerifySecondFactorError> {
        let typed = command.proof.typed.expose_secret().as_bytes();
        let factor = command.proof.factor.as_str().as_bytes();
        let digest = command.challenge.digest();
        let presented = Presented::new(SingleUse::SecondFactor, digest, &[factor, typed], ctx);
        let done = retrying(|| self.verify_once(command, &presented, ctx)).await;
        let done = self.base.settle_second_factor(&presented, done).await;
        let outcome = measured::of_second_factor(&done);
        self.base
            .meter
            .note(Measure::SignIn(SignInMethod::SecondFactor, outcome));
        done
    }

    async fn verify_once(
        &self,
        command: &VerifySecondFactor,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<SignedIn, VerifySecondFactorError> {
        let base = &self.base;
        let pending = base.find_pending_sign_in(&command.challenge).await?;
        let factor = command.proof.factor;
        if !pending.may_be_proven_with(factor) {
            return Err(VerifySecondFactorError::FactorNotAllowed);
        }
        base.refuse_closed_codes(&pending, factor)?;
        let now = base.clock.now();
        let Some(right) = base.judge_for_sign_in(&pending, &command.proof, now)? else {
            let unit = base.store.begin().await?;
            return Err(base
                .count_wrong_second_factor(unit, &pending, factor, ctx)
                .await?
                .into());
        };
        let mut unit = base.store.begin().await?;
        let owner = &pending.owner;
        let used = base
            .use_second_factor(unit.as_mut(), owner, &right, ctx, now)
            .await?;
        if !used {
            drop(unit);
            let unit = base.store.begin().await?;
            return Err(base
                .count_wrong_second_factor(unit, &pending, factor, ctx)
                .await?
                .into());
        }
        let proven = ProvenFactor {
            factor,
            remember_device: command.remember_device,
            presented,
        };
        let signed_in = base
            .complete_second_factor(unit, &pending, proven, ctx, now)
            .await?;
        base.messages_queued.notify_one();
        Ok(signed_in)
    }
}

impl Foundation {
    /// Settles the response to a second factor ([`Self::settle_once`]).
    pub(crate) async fn settle_second_factor(
        &self,
        presented: &Presented,
        done: Result<SignedIn, VerifySecondFactorError>,
    ) -> Result<SignedIn, VerifySecondFactorError> {
        let again = async |recorded: RecordedSignIn| {
            let answered = self.sign_in_again(recorded).await?;
            Ok(answered.and_then(AnsweredSignIn::session))
        };
        self.settle_once(presented, done, again).await
    }

    fn judge_for_sign_in(
        &self,
        pending: &PendingSignIn,
        proof: &SecondProof,
        now: OffsetDateTime,
    ) -> Result<Option<RightSecondFactor>, StoreError> {
        let record = &pending.record;
        if proof.factor == SecondFactor::OneTimeCode {
            let rules = &self.rules.challenges;
            let typed = OneTimeCode::parse(proof.typed.expose_secret());
            let counting = record
                .dispatch
                .filter(|dispatch| rules.code_counts(dispatch.sent_at, now));
            return Ok(counting.zip(typed).and_then(|(dispatch, typed)| {
                let subject = record.sign_in.subject;
                self.macs
                    .code(
                        dispatch.nonce,
                        dispatch.format,
                        Purpose::SecondFactor,
                        subject,
                    )
                    .matches(&typed)
                    .then_some(RightSecondFactor::Sent(dispatch, subject))
            }));
        }
        self.judge_own_factor(&pending.owner, record.totp.as_ref(), proof, now)
    }

    /// Judges a code of a factor that the person holds: an authenticator app or the recovery codes.
    pub(crate) fn judge_own_factor(
        &self,
        owner: &OpenedAccount,
        totp: Option<&TotpRecord>,
        proof: &SecondProof,
        now: OffsetDateTime,
    ) -> Result<Option<RightSecondFactor>, StoreError> {
        let typed = proof.typed.expose_secret();
        match proof.factor {
            SecondFactor::Totp => {
                let Some(totp) = totp else { return Ok(None) };
                let secret = self.open_totp_secret(owner, &totp.secret)?;
                let step = self.totp.matching_step(&secret, typed, now);
                Ok(step.map(RightSecondFactor::Totp))
            }
            // Looked up when it is used up.
            SecondFactor::RecoveryCode => {
                Ok(RecoveryCode::parse(typed).map(RightSecondFactor::Recovery))
            }
            SecondFactor::WebAuthn | SecondFactor::OneTimeCode => Ok(None),
        }
    }

    /// Uses up a right code; `false` when a concurrent request did, or it turns out to be invalid.
    pub(crate) async fn use_second_factor(
        &self,
        unit: &mut dyn UnitOfWork,
        owner: &OpenedAccount,
        right: &RightSecondFactor,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let account = owner.id();
        match right {
            RightSecondFactor::Totp(step) => {
                let most = self.rules.second_factors.most_failures_in_a_row;
                unit.second_factors()
                    .use_totp_step(account, *step, most)
                    .await
            }
            RightSecondFactor::Sent(dispatch, subject) => {
                let used = unit
                    .challenges()
                    .use_code(*subject, Purpose::SecondFactor, dispatch.nonce, now)
                    .await?;
                if used {
                    // Together with the first factor, this proves that the number still belongs to the account's
                    // owner.
                    self.note_number_proven(unit, owner, now).await?;
                }
                Ok(used)
            }
            RightSecondFactor::Recovery(code) => {
                let digest = code.digest(account);
                let left = unit
                    .second_factors()
                    .use_recovery_code(account, digest, now)
                    .await?;
                let Some(left) = left else { return Ok(false) };
                self.tell_of_recovery_code(unit, owner, left, ctx, now)
                    .await?;
                Ok(true)
            }
        }
    }

    async fn tell_of_recovery_code(
        &self,
        unit: &mut dyn UnitOfWork,
        owner: &OpenedAccount,
        left: u32,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let act = Act::of(
            Action::RecoveryCodeUsed,
            Outcome::Success,
            owner.id(),
            &owner.key,
        );
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        let account = owner.id();
        self.notice(unit, MessageKind::RecoveryCodeUsed, account, ctx, now)
            .await?;
        if left == RecoveryCode::FEW {
            self.notice(unit, MessageKind::RecoveryCodesLow, account, ctx, now)
                .await?;
        }
        Ok(())
    }

    /// Opens the secret that the owner's authenticator app shares with the service.
    pub(crate) fn open_totp_secret(
        &self,
        owner: &OpenedAccount,
        sealed: &Sealed,
    ) -> Result<TotpSecret, StoreError> {
        let context = secret_field(owner);
        let plain = self.open_field(&owner.key, context, sealed)?;
        let bytes: [u8; 20] = plain
            .as_slice()
            .try_into()
            .map_err(|_| corrupt(context.table, context.column))?;
        Ok(TotpSecret(Zeroizing::new(bytes)))
    }
}

/// The field context of an authenticator app's secret, pending or active.
pub(super) fn secret_field(owner: &OpenedAccount) -> FieldContext {
    FieldContext {
        table: "totp_factors",
        column: "secret",
        row: owner.id().as_uuid(),
    }
}
