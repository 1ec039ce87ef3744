//! A sign-in that waits for its second factor: finding it, counting what is wrong, completing it once.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    challenges::{ChallengeRules, Purpose},
    mfa::{Begun, NextStep, SecondFactor},
    opaque_token::OpaqueToken,
};
use common::access::Proofs;
use time::{Duration, OffsetDateTime};

use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    challenges::ProofError,
    ports::{MessageKind, PendingSignInRecord, StoreError, TriesScope, UnitOfWork},
    recorder::Act,
    sessions::{BeginError, SignIn, SignedIn},
};

/// A sign-in that waits, and may still be completed.
pub(crate) struct PendingSignIn {
    pub(crate) record: PendingSignInRecord,
    pub(crate) owner: OpenedAccount,
    /// What may be proven.
    pub(crate) methods: Vec<SecondFactor>,
}

impl PendingSignIn {
    pub(crate) fn may_be_proven_with(&self, factor: SecondFactor) -> bool {
        self.methods.contains(&factor)
    }

    /// Wrong answers from a known device are counted apart, so that whoever stole the password does not close
    /// the owner's way.
    const fn scope(&self) -> TriesScope {
        TriesScope {
            subject: self.record.sign_in.subject,
            purpose: Purpose::SecondFactor,
            device: self.record.sign_in.device,
        }
    }
}

impl Foundation {
    /// The sign-in behind a challenge, unless it is over, or the account changed since its first factor was
    /// judged: its password, its factors or its state.
    pub(crate) async fn find_pending_sign_in(
        &self,
        challenge: &OpaqueToken,
    ) -> Result<PendingSignIn, ProofError> {
        let now = self.clock.now();
        let record = self
            .store
            .find_pending_sign_in(challenge.digest(), now - ChallengeRules::TRIES_WINDOW)
            .await?
            .filter(|it| {
                !it.consumed
                    && now < it.sign_in.expires_at
                    && it.owner.account.version == it.sign_in.account_version
                    && it.owner.account.gate().is_ok()
            })
            .ok_or(ProofError::InvalidCode)?;
        let rules = &self.rules.second_factors;
        if record.tries >= rules.tries_per_sign_in {
            return Err(exhausted(record.sign_in.expires_at - now));
        }
        if record.tries_in_window >= self.rules.challenges.tries_per_window {
            return Err(exhausted(ChallengeRules::TRIES_WINDOW));
        }
        let owner = self.open_account(&record.owner)?;
        let begun = Begun {
            first: record.sign_in.first,
            came_over: record.sign_in.came_over,
            remembered: false,
        };
        let step = rules.next_step(
            begun,
            owner.view.account.roles,
            owner.view.identifier.method(),
            owner.view.second_factors,
        );
        // Nothing to ask for any more means that the factors changed.
        let NextStep::SecondFactor(methods) = step else {
            return Err(ProofError::InvalidCode);
        };
        Ok(PendingSignIn {
            record,
            owner,
            methods,
        })
    }

    /// Counts a wrong answer in this unit, and commits it: on the sign-in, and over all sign-ins of the account.
    /// The last one that a sign-in takes is told to the owner: whoever gave it had the first factor.
    pub(crate) async fn count_wrong_second_factor(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        pending: &PendingSignIn,
        factor: SecondFactor,
        ctx: &RequestContext,
    ) -> Result<ProofError, StoreError> {
        let now = self.clock.now();
        let sign_in = &pending.record.sign_in;
        let most = self.rules.second_factors.tries_per_sign_in;
        let counted = unit
            .second_factors()
            .count_pending_try(sign_in.digest, most, now)
            .await?;
        let Some(tries) = counted else {
            unit.commit().await?;
            return Ok(exhausted(sign_in.expires_at - now));
        };
        if !self
            .count_second_factor_try(unit.as_mut(), pending, now)
            .await?
        {
            unit.commit().await?;
            return Ok(exhausted(ChallengeRules::TRIES_WINDOW));
        }
        if factor == SecondFactor::Totp {
            self.count_wrong_totp(unit.as_mut(), sign_in.account, ctx, now)
                .await?;
        }
        if tries == most {
            let kind = MessageKind::SecondFactorRefused;
            self.notice(unit.as_mut(), kind, sign_in.account, ctx, now)
                .await?;
        }
        let outcome = Outcome::Refused("invalid_code");
        let act = Act::on_identifier(Action::SecondFactorRefused, outcome, sign_in.subject)
            .about(Some(sign_in.account));
        unit.audit().append(&[self.record(&act, ctx, now)]).await?;
        unit.commit().await?;
        self.messages_queued.notify_one();
        Ok(ProofError::InvalidCode)
    }

    /// Counts a wrong code of the authenticator app. The one that closes it is told to the owner; the worker has
    /// to be woken after the commit.
    pub(crate) async fn count_wrong_totp(
        &self,
        unit: &mut dyn UnitOfWork,
        account: AccountId,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let in_a_row = unit.second_factors().count_totp_failure(account).await?;
        if in_a_row == Some(self.rules.second_factors.most_failures_in_a_row) {
            let kind = MessageKind::AuthenticatorClosed;
            self.notice(unit, kind, account, ctx, now).await?;
        }
        Ok(())
    }

    async fn count_second_factor_try(
        &self,
        unit: &mut dyn UnitOfWork,
        pending: &PendingSignIn,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let most = self.rules.challenges.tries_per_window;
        let window = ChallengeRules::TRIES_WINDOW;
        let counted = unit
            .attempts()
            .count_try(pending.scope(), most, window, now)
            .await?;
        Ok(counted.is_some())
    }

    /// Completes the sign-in, once, in the unit in which its second factor was used up; begins the session.
    pub(crate) async fn complete_second_factor(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        pending: &PendingSignIn,
        factor: SecondFactor,
        remember_device: bool,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<SignedIn, CompleteError> {
        let sign_in = &pending.record.sign_in;
        let rules = &self.rules.second_factors;
        let completed = unit
            .second_factors()
            .complete_pending(sign_in.digest, rules.tries_per_sign_in, now)
            .await?;
        if !completed {
            // Over, or out of tries since it was read. Answered like a wrong one: of many guesses at once the right
            // one must not stand out.
            drop(unit);
            let unit = self.store.begin().await?;
            let counted = self
                .count_wrong_second_factor(unit, pending, factor, ctx)
                .await?;
            return Err(counted.into());
        }
        // A right answer is a guess, too: of many at once no more are judged than the window has room for.
        if !self
            .count_second_factor_try(unit.as_mut(), pending, now)
            .await?
        {
            return Err(exhausted(ChallengeRules::TRIES_WINDOW).into());
        }
        let may_be_remembered = !pending.owner.view.account.roles.is_staff();
        let complete = SignIn {
            owner: &pending.owner,
            device: sign_in.device,
            proofs: Proofs::only(sign_in.first, sign_in.created_at).and(factor.method(), now),
            remember_until: (remember_device && may_be_remembered)
                .then(|| now + rules.remember_for),
        };
        Ok(self.sign_in(unit, &complete, ctx, now).await?)
    }
}

/// Why a second factor completed nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompleteError {
    #[error(transparent)]
    Proof(#[from] ProofError),
    #[error(transparent)]
    Begin(#[from] BeginError),
}

impl From<StoreError> for CompleteError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

const fn exhausted(retry_after: Duration) -> ProofError {
    ProofError::TooManyAttempts { retry_after }
}
