//! Re-authentication within a live session (step-up), for operations that need a recent sign-in.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::PlainPassword,
    mfa::SecondFactor,
    passkeys::CeremonyPurpose,
    sessions::SessionId,
};
use common::access::{AuthenticationMethod, Renewal};
use time::{Duration, OffsetDateTime};

use super::{RecordedTokens, Sessions, TokenSet, begin::TokenBasis};
use crate::{
    Foundation, RepeatError, Repeatable, RequestContext,
    accounts::OpenedAccount,
    challenges::ProofError,
    mfa::SecondProof,
    passkeys::{InHands, Judged, PasskeySignIn, Signer},
    ports::{
        Cleared, FailureScope, HashError, Invalidation, SessionSnapshot, SignInQuestion,
        SigningFailed, StoreError, UnitOfWork, Verification,
    },
    recorder::Act,
    retry::{MayBeRetried, retrying},
};

/// The proof that a person presents.
#[derive(Debug)]
pub enum Reauthentication {
    /// The password.
    Password(PlainPassword),
    /// A code of a second factor.
    SecondFactor(SecondProof),
    /// A passkey's answer to [`crate::passkeys::Passkeys::begin_sign_in`].
    Passkey(PasskeySignIn),
}

/// Why the proof was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ReauthenticateError {
    /// The password is wrong. Counted like a failed sign-in.
    #[error("the password is wrong")]
    InvalidPassword,
    /// Too many failures.
    #[error("password checks are locked")]
    Locked {
        /// The time until checks open again.
        retry_after: Duration,
    },
    /// The code is not valid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The session has ended.
    #[error("the session is over")]
    SessionOver,
    /// The idempotency key prevents a response to this request.
    #[error(transparent)]
    Repeat(#[from] RepeatError),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl From<StoreError> for ReauthenticateError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl ReauthenticateError {
    /// A concurrent request with the same idempotency key may have come first and replaced the token.
    pub(super) const fn is_session_over(&self) -> bool {
        matches!(
            self,
            Self::Proof(ProofError::Store(StoreError::SessionOver))
        )
    }
}

impl MayBeRetried for ReauthenticateError {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Proof(error) => error.is_retryable(),
            Self::Repeat(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// A re-authentication request.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// The session in which it is made.
    pub who: &'a SessionSnapshot,
    /// Whether an earlier response may be replayed.
    pub repeatable: Repeatable,
    /// The request's context.
    pub ctx: &'a RequestContext,
}

impl Sessions {
    /// Renews the proof of a factor: the first one with the password, the second one with a code, both with a
    /// passkey. Invalidates all earlier tokens, including the refresh token, and returns new ones. A repetition of
    /// the request with its idempotency key gets the same tokens.
    ///
    /// # Errors
    /// [`ReauthenticateError`]; wrong proofs are counted.
    #[tracing::instrument(skip_all)]
    pub async fn reauthenticate(
        &self,
        who: &SessionSnapshot,
        proof: &Reauthentication,
        repeatable: Repeatable,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ReauthenticateError> {
        let attempt = Attempt {
            who,
            repeatable,
            ctx,
        };
        if let Some(tokens) = self.given_before(attempt).await? {
            return Ok(tokens);
        }
        let done = self.judge_proof(attempt, proof).await;
        if matches!(&done, Err(error) if error.is_session_over())
            && let Some(tokens) = self.given_before(attempt).await?
        {
            return Ok(tokens);
        }
        repeatable.settle(done)
    }

    async fn judge_proof(
        &self,
        attempt: Attempt<'_>,
        proof: &Reauthentication,
    ) -> Result<TokenSet, ReauthenticateError> {
        match proof {
            Reauthentication::Password(password) => {
                retrying(|| self.by_password(attempt, password)).await
            }
            Reauthentication::SecondFactor(proof) => {
                // Spent once, however often the next step is retried.
                let owner = self.base.open_account(&attempt.who.owner)?;
                let now = self.base.clock.now();
                retrying(|| self.base.spend_a_guess(attempt.who, &owner, now)).await?;
                retrying(|| self.by_second_factor(attempt, proof)).await
            }
            Reauthentication::Passkey(passkey) => {
                retrying(|| self.by_passkey(attempt, passkey)).await
            }
        }
    }

    /// The recorded response to the same request, also when a concurrent one came first and used up the proof.
    pub(super) async fn given_before(
        &self,
        attempt: Attempt<'_>,
    ) -> Result<Option<TokenSet>, RepeatError> {
        let base = &self.base;
        let given: Option<RecordedTokens> = base
            .answer_before(attempt.repeatable, base.clock.now())
            .await?;
        Ok(given.map(TokenSet::from))
    }

    async fn by_password(
        &self,
        attempt: Attempt<'_>,
        password: &PlainPassword,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
        let Attempt { who, ctx, .. } = attempt;
        let fresh = base.as_of_now(who, base.clock.now()).await?;
        let owner = base.open_account(&fresh.owner)?;
        let keys = base.index_keys(&owner.view.identifier).await?;
        let scope = FailureScope {
            subject: keys.subject,
            device: Some(who.as_device()),
        };
        let question = SignInQuestion {
            identifier: &keys,
            device: scope.device,
            spared_when_locked_at: None,
            most_in_a_row: base.rules.lockout.most_in_a_row,
        };
        let record = base.store.sign_in_record(question).await?;
        let now = base.clock.now();
        let locked_for = record
            .device_failures
            .and_then(|counter| base.rules.lockout.refused_for(&counter, now));
        if let Some(retry_after) = locked_for {
            return Err(ReauthenticateError::Locked { retry_after });
        }
        let stored = record.password.as_ref();
        let verification = base.hasher.verify(password, stored).await?;
        let mut unit = base.store.begin().await?;
        if verification == Verification::Mismatch {
            let counted = unit
                .attempts()
                .record_failure(scope, base.rules.lockout, now)
                .await?;
            if counted.is_some() {
                self.record_refusal(unit, who, &owner, "invalid_credentials", ctx)
                    .await?;
                return Err(ReauthenticateError::InvalidPassword);
            }
        }
        // A concurrent attempt set the lock between this one's read and write.
        if verification == Verification::Mismatch
            || !unit
                .attempts()
                .clear_failures(scope, Cleared::Own, base.rules.lockout, now)
                .await?
        {
            let retry_after = base.rules.lockout.window;
            return Err(ReauthenticateError::Locked { retry_after });
        }
        // The verified password may have been replaced during hashing.
        let judged = record.account.map(|it| it.account.version);
        if judged != Some(base.hold_session(unit.as_mut(), who, now).await?) {
            return Err(StoreError::Retryable.into());
        }
        let method = AuthenticationMethod::Password;
        self.renew(unit, attempt, &owner, method).await
    }

    async fn by_second_factor(
        &self,
        attempt: Attempt<'_>,
        proof: &SecondProof,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
        let Attempt { who, ctx, .. } = attempt;
        let now = base.clock.now();
        // Read before the factor, so that replacing the factor afterwards changes the account's version and is
        // detected.
        let fresh = base.as_of_now(who, now).await?;
        let owner = base.open_account(&fresh.owner)?;
        let totp = base.store.totp_state(owner.id()).await?.active;
        let right = base.judge_own_factor(&owner, totp.as_ref(), proof, now)?;
        let mut unit = base.store.begin().await?;
        if owner.view.account.version != base.hold_session(unit.as_mut(), who, now).await? {
            return Err(StoreError::Retryable.into());
        }
        let used = match &right {
            Some(right) => {
                base.use_second_factor(unit.as_mut(), &owner, right, ctx, now)
                    .await?
            }
            None => false,
        };
        if !used {
            drop(unit);
            if let Some(tokens) = self.given_before(attempt).await? {
                return Ok(tokens);
            }
            let mut unit = base.store.begin().await?;
            if proof.factor == SecondFactor::Totp {
                base.count_wrong_totp(unit.as_mut(), owner.id(), ctx, now)
                    .await?;
            }
            self.record_refusal(unit, who, &owner, "invalid_code", ctx)
                .await?;
            base.messages_queued.notify_one();
            return Err(ProofError::InvalidCode.into());
        }
        let method = proof.factor.method();
        let tokens = self.renew(unit, attempt, &owner, method).await?;
        base.messages_queued.notify_one();
        Ok(tokens)
    }

    /// Uses up the ceremony whether or not the answer is valid, unless the session has ended: then nothing is used
    /// up.
    async fn by_passkey(
        &self,
        attempt: Attempt<'_>,
        passkey: &PasskeySignIn,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
        let Attempt { who, ctx, .. } = attempt;
        let now = base.clock.now();
        let owner = base.open_account(&who.owner)?;
        let of = InHands {
            holder: passkey.challenge.digest(),
            purpose: CeremonyPurpose::SignIn,
        };
        let signer = Signer::Only(owner.id());
        let judged = base
            .answer_ceremony(of, &passkey.answer, signer, ctx, now)
            .await?;
        let Some(judged) = judged else {
            let given = self.given_before(attempt).await?;
            return given.ok_or_else(|| ProofError::InvalidCode.into());
        };
        let Judged {
            mut unit,
            signature,
            ..
        } = judged;
        match signature {
            Ok(good) => {
                base.hold_session(unit.as_mut(), who, now).await?;
                base.note_use(unit.as_mut(), &good).await?;
                let method = AuthenticationMethod::Passkey;
                self.renew(unit, attempt, &owner, method).await
            }
            Err(bad) => {
                let action = Action::Reauthenticated;
                base.record_bad_signature(unit.as_mut(), action, &bad, ctx, now)
                    .await?;
                unit.commit().await?;
                base.messages_queued.notify_one();
                Err(ProofError::InvalidCode.into())
            }
        }
    }

    async fn record_refusal(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        who: &SessionSnapshot,
        owner: &OpenedAccount,
        reason: &'static str,
        ctx: &RequestContext,
    ) -> Result<(), StoreError> {
        let base = &self.base;
        let outcome = Outcome::Refused(reason);
        let act =
            Act::of(Action::Reauthenticated, outcome, owner.id(), &owner.key).session(who.session);
        let entry = base.record(&act, ctx, base.clock.now());
        unit.audit().append(&[entry]).await?;
        unit.commit().await
    }

    /// The last step of every proof: begins the session's next generation, and returns its tokens.
    pub(super) async fn renew(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        attempt: Attempt<'_>,
        owner: &OpenedAccount,
        method: AuthenticationMethod,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
        let now = base.clock.now();
        let Attempt {
            who,
            repeatable,
            ctx,
        } = attempt;
        let tokens = base
            .renew_session(unit.as_mut(), (who.session, owner), method, now)
            .await?
            .ok_or(ReauthenticateError::SessionOver)?;
        let outcome = Outcome::Success;
        let act =
            Act::of(Action::Reauthenticated, outcome, owner.id(), &owner.key).session(who.session);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let answer = RecordedTokens::from(&tokens);
        let first = base
            .record_repeatable(unit.as_mut(), repeatable, &answer, now)
            .await?;
        if let Some(first) = first {
            return Ok(first.into());
        }
        base.commit_and_tell(unit, &Invalidation::of_account(owner.id()))
            .await?;
        Ok(tokens)
    }
}

impl Foundation {
    /// Applies a proof to its session and makes the new tokens. `None` when the session has ended.
    pub(crate) async fn renew_session(
        &self,
        unit: &mut dyn UnitOfWork,
        (session, owner): (SessionId, &OpenedAccount),
        method: AuthenticationMethod,
        now: OffsetDateTime,
    ) -> Result<Option<TokenSet>, RenewError> {
        let renewed = unit
            .sessions()
            .prove_again(session, owner.id(), Renewal::by(method), now)
            .await?;
        let basis = renewed.map(|renewed| TokenBasis::of(renewed, session));
        let tokens = basis.map(|basis| self.tokens_for(&basis, now));
        Ok(tokens.transpose()?)
    }
}

/// Why a session was not renewed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    #[error(transparent)]
    Signing(#[from] SigningFailed),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RenewError> for ReauthenticateError {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Signing(error) => error.into(),
            RenewError::Store(error) => error.into(),
        }
    }
}
