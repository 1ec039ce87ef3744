//! Proving a code, which completes a registration or signs in.

use authentication_domain::{
    accounts::{AccountStatus, Identifier},
    audit::{Action, Outcome},
    challenges::{OneTimeCode, Purpose},
    events::Event,
    opaque_token::OpaqueToken,
};
use common::{
    Id,
    access::{AuthenticationMethod, Proofs, Roles},
    money::Money,
    timestamps::Timestamps,
};
use time::OffsetDateTime;

use super::{Challenges, ProofError, prove::RightCode};
use crate::{
    RequestContext,
    accounts::{AccountDraft, OpenedAccount, PendingRegistration},
    corrupt, measured,
    ports::{
        CodeOutcome, Measure, NewAccount, RegistrationOutcome, SignInMethod, SignInOutcome,
        SigningFailed, StoreError, UniqueRule,
    },
    recorder::Act,
    retry::{MayBeRetried, retrying},
    sessions::{
        AnsweredSignIn, BeginError, FirstFactor, RecordedSignIn, Recording, SignIn, SignInAnswer,
        SignedIn,
    },
    single_use::{Presented, SingleUse, SingleUseError},
};

/// A typed code.
#[derive(Debug)]
pub struct VerifyCode {
    /// The challenge of the code.
    pub challenge: OpaqueToken,
    /// What the person typed.
    pub code: OneTimeCode,
}

/// What the code proved.
#[derive(Debug)]
pub enum Proven {
    /// A new account was created, and its owner is signed in.
    Registered(Box<SignedIn>),
    /// The code was the first factor of a sign-in.
    SignedIn(SignInAnswer),
}

/// Why the code did not complete a sign-in or registration.
#[derive(Debug, thiserror::Error)]
pub enum VerifyCodeError {
    /// The code is not valid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The code was right, but the account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The code was right, but the number was unproven for so long that it may have been reassigned.
    #[error("the number alone does not open the account")]
    AnotherProofRequired,
    /// The token could not be signed.
    #[error(transparent)]
    Signing(#[from] SigningFailed),
}

impl From<AnsweredSignIn> for Proven {
    fn from(answered: AnsweredSignIn) -> Self {
        match answered.answer {
            SignInAnswer::Authenticated(signed_in) if answered.is_new => {
                Self::Registered(signed_in)
            }
            answer => Self::SignedIn(answer),
        }
    }
}

impl From<StoreError> for VerifyCodeError {
    fn from(error: StoreError) -> Self {
        Self::Proof(error.into())
    }
}

impl SingleUseError for VerifyCodeError {
    fn used_up() -> Self {
        Self::Proof(ProofError::used_up())
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Proof(error) if error.is_refusal())
    }
}

impl From<BeginError> for VerifyCodeError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Signing(error) => error.into(),
            BeginError::Store(error) => error.into(),
        }
    }
}

impl MayBeRetried for VerifyCodeError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Proof(ProofError::Store(error)) if error.is_retryable())
    }
}

impl Challenges {
    /// Accepts the code of a registration or of a sign-in.
    ///
    /// # Errors
    /// [`VerifyCodeError`]; a wrong guess is counted.
    #[tracing::instrument(skip_all)]
    pub async fn verify(
        &self,
        command: &VerifyCode,
        ctx: &RequestContext,
    ) -> Result<Proven, VerifyCodeError> {
        let code = command.code.expose().as_bytes();
        let presented = Presented::new(SingleUse::Code, command.challenge.digest(), &[code], ctx);
        let proven = retrying(|| self.verify_once(command, &presented, ctx)).await;
        let base = &self.base;
        let again = async |recorded: RecordedSignIn| {
            let answered = base.sign_in_again(recorded).await?;
            Ok(answered.map(Proven::from))
        };
        let proven = base.settle_once(&presented, proven, again).await;
        self.tell(&proven);
        proven
    }

    /// A wrong code is reported only as a code: it is unknown here whether it was meant for a sign-in.
    fn tell(&self, proven: &Result<Proven, VerifyCodeError>) {
        let signed_in = |outcome| Measure::SignIn(SignInMethod::OneTimeCode, outcome);
        let (purpose, effect) = match proven {
            Ok(Proven::Registered(_)) => (
                Purpose::Registration,
                Measure::Registration(RegistrationOutcome::Completed),
            ),
            Ok(Proven::SignedIn(answer)) => {
                (Purpose::SignIn, signed_in(measured::of_answer(answer)))
            }
            Err(VerifyCodeError::Suspended) => {
                (Purpose::SignIn, signed_in(SignInOutcome::Suspended))
            }
            Err(VerifyCodeError::AnotherProofRequired) => {
                (Purpose::SignIn, signed_in(SignInOutcome::Refused))
            }
            Err(VerifyCodeError::Proof(_) | VerifyCodeError::Signing(_)) => return,
        };
        self.base.note_code(purpose, CodeOutcome::Proven);
        self.base.meter.note(effect);
    }

    async fn verify_once(
        &self,
        command: &VerifyCode,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<Proven, VerifyCodeError> {
        let right = self
            .base
            .judge_code(
                &command.challenge,
                &command.code,
                |record| match record.purpose {
                    Purpose::Registration => true,
                    Purpose::SignIn => record.owner.is_some(),
                    Purpose::PasswordReset | Purpose::SecondFactor | Purpose::IdentifierChange => {
                        false
                    }
                },
                ctx,
            )
            .await?;
        if right.record.purpose == Purpose::SignIn {
            let signed_in = self.sign_in(&right, presented, ctx).await?;
            Ok(Proven::SignedIn(signed_in))
        } else {
            let signed_in = self.register(&right, presented, ctx).await?;
            Ok(Proven::Registered(Box::new(signed_in)))
        }
    }

    async fn sign_in(
        &self,
        right: &RightCode,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<SignInAnswer, VerifyCodeError> {
        let base = &self.base;
        let now = base.clock.now();
        let opened = base.owner_of(right, ctx).await?;
        let suspended = opened.view.account.gate().is_err();
        let has_number = right.known_device.is_some() || !base.is_silent(&opened, now).await?;
        // If a second factor follows, possession of the number is unproven until that one is proven.
        let is_enough = has_number || opened.view.second_factors.is_enabled();
        let mut unit = base.store.begin().await?;
        base.use_up(unit.as_mut(), right, now).await?;
        if !is_enough {
            base.refuse_silent_number(unit, Action::SignIn, &opened, ctx, now)
                .await?;
            return Err(VerifyCodeError::AnotherProofRequired);
        }
        if suspended {
            let outcome = Outcome::Refused("account_suspended");
            let act = Act::of(Action::SignIn, outcome, opened.id(), &opened.key);
            unit.audit().append(&[base.record(&act, ctx, now)]).await?;
            unit.commit().await?;
            return Err(VerifyCodeError::Suspended);
        }
        if has_number {
            base.note_number_proven(unit.as_mut(), &opened, now).await?;
        }
        let proven = FirstFactor {
            owner: &opened,
            device: right.known_device,
            remembered_until: right.known_device.and(right.record.device_remembered_until),
            method: AuthenticationMethod::OneTimeCode,
            came_over: Some(opened.view.identifier.method()),
            failures_in_a_row: right.record.failures_in_a_row,
            recording: Some(Recording {
                presented,
                is_new: false,
            }),
        };
        Ok(base.go_on(unit, &proven, ctx, now).await?)
    }

    async fn register(
        &self,
        right: &RightCode,
        presented: &Presented,
        ctx: &RequestContext,
    ) -> Result<SignedIn, VerifyCodeError> {
        let base = &self.base;
        let now = base.clock.now();
        let payload = base.open_payload(right.digest, &right.record.payload)?;
        let pending = payload
            .registration
            .ok_or_else(|| corrupt("challenges", "payload"))?;
        let (opened, row) = self.open_new_account(&pending, now)?;
        let mut unit = base.store.begin().await?;
        base.use_up(unit.as_mut(), right, now).await?;
        match unit.accounts().insert(&row).await {
            // Another request proved the same identifier first. The later one learns only that its code is invalid.
            Err(StoreError::Conflict(UniqueRule::Identifier)) => {
                base.note_code(Purpose::Registration, CodeOutcome::Refused);
                return Err(ProofError::InvalidCode.into());
            }
            done => done?,
        }
        let sign_in = SignIn {
            owner: &opened,
            device: None,
            proofs: Proofs::only(AuthenticationMethod::OneTimeCode, now),
            remember_until: None,
            failures_in_a_row: right.record.failures_in_a_row,
            recording: Some(Recording {
                presented,
                is_new: true,
            }),
        };
        if sign_in.failures_in_a_row {
            // These were counted while no account had the identifier.
            base.forget_in_a_row(unit.as_mut(), &opened.view.identifier)
                .await?;
        }
        let started = base
            .begin_session(unit.as_mut(), &sign_in, ctx, now)
            .await?;
        let account = opened.id();
        let entries = [
            Act::of(
                Action::AccountRegistered,
                Outcome::Success,
                account,
                &opened.key,
            ),
            Act::of(Action::SignIn, Outcome::Success, account, &opened.key)
                .session(started.session),
        ]
        .map(|act| base.record(&act, ctx, now));
        unit.audit().append(&entries).await?;
        let registered = Event::AccountRegistered {
            account,
            roles: opened.view.account.roles,
        };
        let events = [
            base.event(registered, ctx, now),
            base.session_started(&started, account, ctx, now),
        ];
        unit.outbox().append_events(&events).await?;
        let recording = sign_in.recording;
        Ok(base
            .complete(unit, started, opened.view.clone(), recording, now)
            .await?)
    }

    fn open_new_account(
        &self,
        pending: &PendingRegistration,
        now: OffsetDateTime,
    ) -> Result<(OpenedAccount, NewAccount), StoreError> {
        let base = &self.base;
        let identifier = Identifier::from_stored(&pending.identifier)
            .map_err(|_| corrupt("challenges", "payload"))?;
        let draft = AccountDraft {
            id: Id::at(now, base.random.as_ref()),
            sign_up_method: identifier.method(),
            identifier,
            status: AccountStatus::Active,
            roles: Roles::from(pending.role),
            wallet: Money::zero(pending.profile.currency()),
            profile: pending.profile.clone(),
            password: Some(pending.password_hash()),
            timestamps: Timestamps::new(now),
        };
        Ok(draft.seal(base.vault.as_ref(), base.index.as_ref()))
    }
}
