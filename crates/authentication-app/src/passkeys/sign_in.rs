//! Sign-in with a passkey: the device names the account, and its signature proves it.
//!
//! The device has verified its user by a fingerprint, a face or a PIN, so a passkey is two factors in one (NIST SP
//! 800-63B-4 §3.1.7), and no other factor is required.

use authentication_domain::{
    accounts::Closed,
    audit::{Action, Outcome},
    opaque_token::OpaqueToken,
    passkeys::CeremonyPurpose,
};
use common::access::AuthenticationMethod;

use super::{
    Passkeys,
    ceremony::InHands,
    judge::{GoodSignature, Signer},
};
use crate::{
    RequestContext, measured,
    ports::{
        AssertionAnswer, Measure, SignInMethod, SignInOutcome, SigningFailed, StoreError,
        UnitOfWork,
    },
    recorder::Act,
    retry::{retry_on_store_error, retrying},
    sessions::{BeginError, FirstFactor, RecordedSignIn, Recording, SignInAnswer},
    single_use::{Presented, SingleUse, SingleUseError},
};

/// An answer to [`Passkeys::begin_sign_in`].
#[derive(Debug)]
pub struct PasskeySignIn {
    /// The ceremony that it finishes.
    pub challenge: OpaqueToken,
    /// The device's answer.
    pub answer: AssertionAnswer,
}

/// Why the sign-in failed.
#[derive(Debug, thiserror::Error)]
pub enum PasskeySignInError {
    /// The ceremony is over or never existed, or the signature is not valid; a client cannot distinguish these.
    #[error("the passkey does not count")]
    InvalidPasskey,
    /// No account has this passkey (any more). The client can then make the device stop offering it (Level 3
    /// §5.1.10.1). Credential ids are too long to be guessed, so this reveals nothing about other accounts.
    #[error("the passkey is unknown")]
    UnknownPasskey,
    /// The signature is valid, but the account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
retry_on_store_error!(PasskeySignInError);

impl SingleUseError for PasskeySignInError {
    fn used_up() -> Self {
        Self::InvalidPasskey
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::InvalidPasskey)
    }
}

impl From<BeginError> for PasskeySignInError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Signing(error) => error.into(),
            BeginError::Store(error) => error.into(),
        }
    }
}

impl Passkeys {
    /// Signs in with a passkey. The ceremony is used up, whatever the result.
    ///
    /// # Errors
    /// [`PasskeySignInError`].
    #[tracing::instrument(skip_all)]
    pub async fn sign_in(
        &self,
        command: &PasskeySignIn,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, PasskeySignInError> {
        let digest = command.challenge.digest();
        let came_back = command.answer.parts();
        let presented = Presented::new(SingleUse::Passkey, digest, &came_back, ctx);
        let done = retrying(|| self.sign_in_once(command, &presented, ctx)).await;
        let base = &self.base;
        let again = async |recorded: RecordedSignIn| {
            let answered = base.sign_in_again(recorded).await?;
            Ok(answered.map(|it| it.answer))
        };
        let done = base.settle_once(&presented, done, again).await;
        let outcome = match &done {
            Ok(answer) => measured::of_answer(answer),
            Err(PasskeySignInError::InvalidPasskey | PasskeySignInError::UnknownPasskey) => {
                SignInOutcome::Refused
            }
            Err(PasskeySignInError::Suspended) => SignInOutcome::Suspended,
            Err(PasskeySignInError::Signing(_) | PasskeySignInError::Store(_)) => {
                SignInOutcome::Failed
            }
        };
        self.base
            .meter
            .note(Measure::SignIn(SignInMethod::Passkey, outcome));
        done
    }

    async fn sign_in_once(
        &self,
        command: &PasskeySignIn,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, PasskeySignInError> {
        let base = &self.base;
        let now = base.clock.now();
        let of = InHands {
            holder: command.challenge.digest(),
            purpose: CeremonyPurpose::SignIn,
        };
        let judged = base
            .answer_ceremony(of, &command.answer, Signer::Anybody, ctx, now)
            .await?;
        let mut judged = judged.ok_or(PasskeySignInError::InvalidPasskey)?;
        match judged.signature {
            Ok(good) => {
                let proven = FirstFactor {
                    owner: &good.owner,
                    device: judged.device,
                    // Not needed: a passkey is already two factors.
                    remembered_until: None,
                    method: AuthenticationMethod::Passkey,
                    came_over: None,
                    failures_in_a_row: judged.failures_in_a_row,
                    recording: Some(Recording {
                        presented,
                        is_new: false,
                    }),
                };
                self.admit(judged.unit, &good, &proven, ctx).await
            }
            Err(bad) => {
                base.record_bad_signature(judged.unit.as_mut(), Action::SignIn, &bad, ctx, now)
                    .await?;
                judged.unit.commit().await?;
                base.messages_queued.notify_one();
                Err(if bad.is_of_an_unknown_passkey() {
                    PasskeySignInError::UnknownPasskey
                } else {
                    PasskeySignInError::InvalidPasskey
                })
            }
        }
    }

    async fn admit(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        good: &GoodSignature,
        proven: &FirstFactor<'_>,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, PasskeySignInError> {
        let base = &self.base;
        let now = base.clock.now();
        let owner = &good.owner;
        // Recorded even if the account may not sign in: a counter value must not be accepted twice.
        base.note_use(unit.as_mut(), good).await?;
        if let Err(closed) = owner.view.account.gate() {
            let (reason, error) = match closed {
                Closed::Suspended => ("account_suspended", PasskeySignInError::Suspended),
                Closed::Absent => ("account_absent", PasskeySignInError::InvalidPasskey),
            };
            let act = Act::of(
                Action::SignIn,
                Outcome::Refused(reason),
                owner.id(),
                &owner.key,
            );
            unit.audit().append(&[base.record(&act, ctx, now)]).await?;
            unit.commit().await?;
            return Err(error);
        }
        Ok(base.go_on(unit, proven, ctx, now).await?)
    }
}
