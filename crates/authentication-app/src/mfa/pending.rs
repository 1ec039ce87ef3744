//! A sign-in that waits for its second factor: finding it, counting wrong answers, completing it once.

use authentication_domain::{
    accounts::AccountId,
    audit::{Action, Outcome},
    challenges::{ChallengeRules, CodeFormat, Purpose},
    mfa::{Begun, NextStep, SecondFactor},
    opaque_token::OpaqueToken,
};
use common::{access::Proofs, clock::SKEW};
use time::{Duration, OffsetDateTime};

use crate::{
    Foundation, RequestContext,
    accounts::OpenedAccount,
    challenges::ProofError,
    ports::{Guess, MessageKind, PendingSignInRecord, StoreError, TriesScope, UnitOfWork},
    protection::GuessingStopped,
    recorder::Act,
    sessions::{BeginError, Recording, SignIn, SignedIn},
    single_use::Presented,
};

/// A pending sign-in that may still be completed.
pub(crate) struct PendingSignIn {
    pub(crate) record: PendingSignInRecord,
    pub(crate) owner: OpenedAccount,
    /// The second factors that may complete it.
    pub(crate) methods: Vec<SecondFactor>,
}

impl PendingSignIn {
    pub(crate) fn may_be_proven_with(&self, factor: SecondFactor) -> bool {
        self.methods.contains(&factor)
    }

    /// The format of the code that was sent. Without one, guesses count as those of six digits.
    fn format(&self) -> CodeFormat {
        self.record.dispatch.map(|it| it.format).unwrap_or_default()
    }

    /// Wrong answers from a known device are counted separately, so that a thief of the password cannot lock the
    /// owner out.
    const fn scope(&self) -> TriesScope {
        TriesScope {
            subject: self.record.sign_in.subject,
            purpose: Purpose::SecondFactor,
            device: self.record.sign_in.device,
        }
    }
}

impl Foundation {
    /// The pending sign-in behind a challenge, unless it is over, or the account (its password, factors or state)
    /// changed since the first factor was judged.
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
                    && it.sign_in.created_at <= now + SKEW
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
        // If no factor is required any more, the factors have changed.
        let NextStep::SecondFactor(methods) = step else {
            return Err(ProofError::InvalidCode);
        };
        Ok(PendingSignIn {
            record,
            owner,
            methods,
        })
    }

    /// Refuses a six-digit code after too many consecutive wrong guesses; the next code sent is a long one.
    pub(crate) fn refuse_closed_codes(
        &self,
        pending: &PendingSignIn,
        factor: SecondFactor,
    ) -> Result<(), ProofError> {
        let most = self.rules.challenges.most_failures_in_a_row;
        let is_closed = factor == SecondFactor::OneTimeCode
            && pending.format() == CodeFormat::Digits
            && pending.record.codes_in_a_row >= most;
        if is_closed {
            let dispatch = pending.record.dispatch;
            return Err(self.another_code_is_needed(dispatch, self.clock.now()));
        }
        Ok(())
    }

    /// Counts a wrong answer in this unit, for the sign-in and for all sign-ins of the account, and commits it.
    /// When the last allowed answer of a sign-in is wrong, the owner is notified, because the first factor is known
    /// to the person who gave it.
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
        let guess = (pending, factor, false);
        let Some(codes_in_a_row) = self
            .count_second_factor_try(unit.as_mut(), guess, now)
            .await?
        else {
            unit.commit().await?;
            return Ok(exhausted(ChallengeRules::TRIES_WINDOW));
        };
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
        let mut entries = vec![self.record(&act, ctx, now)];
        if codes_in_a_row == self.rules.challenges.most_failures_in_a_row {
            let stopped = GuessingStopped {
                subject: sign_in.subject,
                owner: Some(sign_in.account),
                way: Purpose::SecondFactor.as_str(),
            };
            let entry = self.guessing_stopped(unit.as_mut(), &stopped, ctx, now);
            entries.push(entry.await?);
        }
        unit.audit().append(&entries).await?;
        unit.commit().await?;
        self.messages_queued.notify_one();
        Ok(ProofError::InvalidCode)
    }

    /// Counts a wrong code of the authenticator app. Notifies the owner when this one closes the app; the caller
    /// must wake the worker after the commit.
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

    /// Counts an answer with any factor in the window, and a sent six-digit code also as a consecutive guess.
    /// `None` when a limit is reached, otherwise the number of consecutive wrong codes; 0 for any other answer.
    async fn count_second_factor_try(
        &self,
        unit: &mut dyn UnitOfWork,
        (pending, factor, right): (&PendingSignIn, SecondFactor, bool),
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError> {
        let rules = &self.rules.challenges;
        let of = pending.format();
        // Of long codes, only a right one matters: it resets the consecutive failures.
        if factor == SecondFactor::OneTimeCode && (right || of == CodeFormat::Digits) {
            let guess = Guess { of, right };
            let scope = pending.scope();
            let counted = unit
                .attempts()
                .count_guess(scope, guess, rules, now)
                .await?;
            return Ok(counted.map(|it| it.in_a_row));
        }
        let (most, window) = (rules.tries_per_window, ChallengeRules::TRIES_WINDOW);
        let counted = unit
            .attempts()
            .count_try(pending.scope(), most, window, now)
            .await?;
        Ok(counted.map(|_| 0))
    }

    /// Completes the sign-in, once, in the unit that used up the second factor, and begins the session.
    pub(crate) async fn complete_second_factor(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        pending: &PendingSignIn,
        proven: ProvenFactor<'_>,
        ctx: &RequestContext,
        now: OffsetDateTime,
    ) -> Result<SignedIn, CompleteError> {
        let ProvenFactor {
            factor,
            remember_device,
            presented,
        } = proven;
        let sign_in = &pending.record.sign_in;
        let rules = &self.rules.second_factors;
        let completed = unit
            .second_factors()
            .complete_pending(sign_in.digest, rules.tries_per_sign_in, now)
            .await?;
        if !completed {
            // The sign-in ended or ran out of tries since it was read. The answer is the same as to a wrong code:
            // among concurrent guesses, the right one must not stand out.
            drop(unit);
            let unit = self.store.begin().await?;
            let counted = self
                .count_wrong_second_factor(unit, pending, factor, ctx)
                .await?;
            return Err(counted.into());
        }
        // A right answer counts as a guess, too: of many concurrent guesses, no more are judged than the window
        // allows.
        let guess = (pending, factor, true);
        let counted = self
            .count_second_factor_try(unit.as_mut(), guess, now)
            .await?;
        if counted.is_none() {
            return Err(exhausted(ChallengeRules::TRIES_WINDOW).into());
        }
        let may_be_remembered = !pending.owner.view.account.roles.is_staff();
        let complete = SignIn {
            owner: &pending.owner,
            device: sign_in.device,
            proofs: Proofs::only(sign_in.first, sign_in.created_at).and(factor.method(), now),
            remember_until: (remember_device && may_be_remembered)
                .then(|| now + rules.remember_for),
            failures_in_a_row: pending.record.failures_in_a_row,
            recording: Some(Recording {
                presented,
                is_new: false,
            }),
        };
        Ok(self.sign_in(unit, &complete, ctx, now).await?)
    }
}

/// A second factor that was accepted, and is used up in the current unit.
#[derive(Clone, Copy)]
pub(crate) struct ProvenFactor<'a> {
    pub(crate) factor: SecondFactor,
    /// Whether the device may skip the second factor from now on.
    pub(crate) remember_device: bool,
    /// Where the response is recorded.
    pub(crate) presented: &'a Presented,
}

/// Why a second factor did not complete the sign-in.
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
