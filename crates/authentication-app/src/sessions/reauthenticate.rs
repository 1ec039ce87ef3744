//! Proving again who one is, through a session that goes on: for what needs a recent sign-in.

use authentication_domain::{
    audit::{Action, Outcome},
    credentials::PlainPassword,
    mfa::SecondFactor,
    passkeys::CeremonyPurpose,
};
use common::access::AuthenticationMethod;
use time::Duration;

use super::{Sessions, TokenSet, begin::TokenBasis};
use crate::{
    RequestContext,
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

/// What a person shows.
#[derive(Debug)]
pub enum Reauthentication {
    /// The password.
    Password(PlainPassword),
    /// A code of a second factor.
    SecondFactor(SecondProof),
    /// A passkey, in answer to [`crate::passkeys::Passkeys::begin_sign_in`].
    Passkey(PasskeySignIn),
}

/// Why it does not count.
#[derive(Debug, thiserror::Error)]
pub enum ReauthenticateError {
    /// The password is another one. Counted like a failed sign-in.
    #[error("the password is wrong")]
    InvalidPassword,
    /// Too many failures.
    #[error("password checks are locked")]
    Locked {
        /// Until they open again.
        retry_after: Duration,
    },
    /// The code does not count.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The session is over.
    #[error("the session is over")]
    SessionOver,
    /// No hash was computed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No token could be made.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl From<StoreError> for ReauthenticateError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl MayBeRetried for ReauthenticateError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Proof(error) if error.is_retryable())
    }
}

impl Sessions {
    /// Renews the time of authentication. The session keeps its refresh token; the access tokens from before
    /// count no more, the one of the answer says the new time.
    ///
    /// # Errors
    /// [`ReauthenticateError`]; what is wrong is counted.
    #[tracing::instrument(skip_all)]
    pub async fn reauthenticate(
        &self,
        who: &SessionSnapshot,
        proof: &Reauthentication,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ReauthenticateError> {
        match proof {
            Reauthentication::Password(password) => {
                retrying(|| self.by_password(who, password, ctx)).await
            }
            Reauthentication::SecondFactor(proof) => {
                // Once, however often what follows is tried.
                let owner = self.base.open_account(&who.owner)?;
                let now = self.base.clock.now();
                retrying(|| self.base.spend_a_guess(who, &owner, now)).await?;
                retrying(|| self.by_second_factor(who, proof, ctx)).await
            }
            Reauthentication::Passkey(passkey) => {
                retrying(|| self.by_passkey(who, passkey, ctx)).await
            }
        }
    }

    async fn by_password(
        &self,
        who: &SessionSnapshot,
        password: &PlainPassword,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
        let owner = base.open_account(&who.owner)?;
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
        // Locked by rivals, between our read and our write.
        if verification == Verification::Mismatch
            || !unit
                .attempts()
                .clear_failures(scope, Cleared::Own, base.rules.lockout, now)
                .await?
        {
            let retry_after = base.rules.lockout.window;
            return Err(ReauthenticateError::Locked { retry_after });
        }
        self.renew(unit, who, &owner, None, ctx).await
    }

    async fn by_second_factor(
        &self,
        who: &SessionSnapshot,
        proof: &SecondProof,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
        let now = base.clock.now();
        let owner = base.open_account(&who.owner)?;
        let totp = base.store.totp_state(owner.id()).await?.active;
        let right = base.judge_own_factor(&owner, totp.as_ref(), proof, now)?;
        let mut unit = base.store.begin().await?;
        let used = match &right {
            Some(right) => {
                base.use_second_factor(unit.as_mut(), &owner, right, ctx, now)
                    .await?
            }
            None => false,
        };
        if !used {
            drop(unit);
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
        let method = Some(proof.factor.method());
        let tokens = self.renew(unit, who, &owner, method, ctx).await?;
        base.messages_queued.notify_one();
        Ok(tokens)
    }

    /// The ceremony is used up, whatever the answer is worth; not if the session is over, when nothing is.
    async fn by_passkey(
        &self,
        who: &SessionSnapshot,
        passkey: &PasskeySignIn,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
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
        let Judged {
            mut unit,
            signature,
            ..
        } = judged.ok_or(ProofError::InvalidCode)?;
        match signature {
            Ok(good) => {
                base.note_use(unit.as_mut(), &good).await?;
                let method = Some(AuthenticationMethod::Passkey);
                self.renew(unit, who, &owner, method, ctx).await
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

    pub(super) async fn renew(
        &self,
        mut unit: Box<dyn UnitOfWork>,
        who: &SessionSnapshot,
        owner: &OpenedAccount,
        second: Option<AuthenticationMethod>,
        ctx: &RequestContext,
    ) -> Result<TokenSet, ReauthenticateError> {
        let base = &self.base;
        let now = base.clock.now();
        let renewed = unit
            .sessions()
            .prove_again(who.session, owner.id(), second, now)
            .await?
            .ok_or(ReauthenticateError::SessionOver)?;
        let outcome = Outcome::Success;
        let act =
            Act::of(Action::Reauthenticated, outcome, owner.id(), &owner.key).session(who.session);
        unit.audit().append(&[base.record(&act, ctx, now)]).await?;
        let tokens = base.tokens_for(&TokenBasis::of(renewed, who.session), now)?;
        base.commit_and_tell(unit, &Invalidation::of_account(owner.id()))
            .await?;
        Ok(tokens)
    }
}
