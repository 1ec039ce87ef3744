//! Completing a sign-in with a passkey as its second factor.

use authentication_domain::{
    audit::Action, mfa::SecondFactor, opaque_token::OpaqueToken, passkeys::CeremonyPurpose,
};

use super::{
    Passkeys,
    ceremony::InHands,
    judge::{Judged, Signer},
};
use crate::{
    RequestContext,
    challenges::ProofError,
    measured,
    mfa::{ProvenFactor, VerifySecondFactorError},
    ports::{AssertionAnswer, Measure, SignInMethod},
    retry::retrying,
    sessions::SignedIn,
    single_use::{Presented, SingleUse},
};

/// An answer to [`Passkeys::begin_second_factor`].
#[derive(Debug)]
pub struct PasskeySecondFactor {
    /// The pending sign-in's challenge.
    pub challenge: OpaqueToken,
    /// The device's answer.
    pub answer: AssertionAnswer,
    /// Whether the device may skip the second factor from now on.
    pub remember_device: bool,
}

impl Passkeys {
    /// Completes a pending sign-in. The ceremony is used up, whatever the result, and a wrong answer counts like a
    /// wrong code.
    ///
    /// # Errors
    /// [`VerifySecondFactorError`].
    #[tracing::instrument(skip_all)]
    pub async fn second_factor(
        &self,
        command: &PasskeySecondFactor,
        ctx: &RequestContext,
    ) -> Result<SignedIn, VerifySecondFactorError> {
        let digest = command.challenge.digest();
        let came_back = command.answer.parts();
        let presented = Presented::new(SingleUse::SecondFactor, digest, &came_back, ctx);
        let done = retrying(|| self.second_factor_once(command, &presented, ctx)).await;
        let done = self.base.settle_second_factor(&presented, done).await;
        let outcome = measured::of_second_factor(&done);
        self.base
            .meter
            .note(Measure::SignIn(SignInMethod::SecondFactor, outcome));
        done
    }

    async fn second_factor_once(
        &self,
        command: &PasskeySecondFactor,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<SignedIn, VerifySecondFactorError> {
        let base = &self.base;
        let now = base.clock.now();
        let pending = base.find_pending_sign_in(&command.challenge).await?;
        if !pending.may_be_proven_with(SecondFactor::WebAuthn) {
            return Err(VerifySecondFactorError::FactorNotAllowed);
        }
        let account = pending.owner.id();
        let of = InHands {
            holder: command.challenge.digest(),
            purpose: CeremonyPurpose::SecondFactor,
        };
        let signer = Signer::Only(account);
        let judged = base
            .answer_ceremony(of, &command.answer, signer, ctx, now)
            .await?;
        let Judged {
            mut unit,
            signature,
            ..
        } = judged.ok_or(ProofError::InvalidCode)?;
        match signature {
            Ok(good) => {
                base.note_use(unit.as_mut(), &good).await?;
                let proven = ProvenFactor {
                    factor: SecondFactor::WebAuthn,
                    remember_device: command.remember_device,
                    presented,
                };
                let signed_in = base
                    .complete_second_factor(unit, &pending, proven, ctx, now)
                    .await?;
                Ok(signed_in)
            }
            Err(bad) => {
                base.record_bad_signature(unit.as_mut(), Action::SignIn, &bad, ctx, now)
                    .await?;
                let counted = base
                    .count_wrong_second_factor(unit, &pending, SecondFactor::WebAuthn, ctx)
                    .await?;
                Err(counted.into())
            }
        }
    }
}
