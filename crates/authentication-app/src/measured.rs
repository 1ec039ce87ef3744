//! Maps the results of use cases to metrics.

use crate::{
    Foundation,
    accounts::RegisterError,
    challenges::{ProofError, SendError},
    federation::{EnterError, Entered},
    mfa::VerifySecondFactorError,
    ports::{
        CodeOutcome, CodePurpose, HashError, Measure, RefreshOutcome, RegistrationOutcome,
        SignInOutcome,
    },
    sessions::{LogInError, RefreshError, SignInAnswer},
};

impl Foundation {
    pub(crate) fn note_code(&self, purpose: impl Into<CodePurpose>, outcome: CodeOutcome) {
        self.meter.note(Measure::Code(purpose.into(), outcome));
    }

    /// Records a refused code, unless the store failed before it was judged.
    pub(crate) fn note_refused_code(&self, purpose: impl Into<CodePurpose>, why: &ProofError) {
        match why {
            ProofError::InvalidCode => self.note_code(purpose, CodeOutcome::Refused),
            ProofError::TooManyAttempts { .. } => self.note_code(purpose, CodeOutcome::Exhausted),
            ProofError::Store(_) => {}
        }
    }
}

pub(crate) const fn of_answer(answer: &SignInAnswer) -> SignInOutcome {
    match answer {
        SignInAnswer::Authenticated(_) => SignInOutcome::Success,
        SignInAnswer::SecondFactorRequired(_) => SignInOutcome::SecondFactorAsked,
    }
}

pub(crate) const fn of_log_in(done: &Result<SignInAnswer, LogInError>) -> SignInOutcome {
    match done {
        Ok(answer) => of_answer(answer),
        Err(LogInError::InvalidCredentials) => SignInOutcome::Refused,
        Err(LogInError::Locked { .. } | LogInError::RateLimited { .. }) => SignInOutcome::Locked,
        Err(LogInError::Suspended) => SignInOutcome::Suspended,
        Err(LogInError::Hash(HashError::Overloaded)) => SignInOutcome::Overloaded,
        Err(
            LogInError::Hash(HashError::Failed) | LogInError::Signing(_) | LogInError::Store(_),
        ) => SignInOutcome::Failed,
    }
}

pub(crate) const fn of_entered(done: &Result<Entered, EnterError>) -> SignInOutcome {
    match done {
        Ok(Entered::Registered(answer) | Entered::SignedIn(answer)) => of_answer(answer),
        Err(EnterError::RoleNotOffered | EnterError::AccountExists | EnterError::Closed) => {
            SignInOutcome::Refused
        }
        Err(EnterError::Unproven(why)) if why.reason().is_some() => SignInOutcome::Refused,
        Err(EnterError::Suspended) => SignInOutcome::Suspended,
        Err(EnterError::Unproven(_) | EnterError::Signing(_) | EnterError::Store(_)) => {
            SignInOutcome::Failed
        }
    }
}

pub(crate) const fn of_second_factor<T>(
    done: &Result<T, VerifySecondFactorError>,
) -> SignInOutcome {
    match done {
        Ok(_) => SignInOutcome::Success,
        Err(VerifySecondFactorError::Proof(ProofError::TooManyAttempts { .. })) => {
            SignInOutcome::Locked
        }
        Err(
            VerifySecondFactorError::Proof(ProofError::InvalidCode)
            | VerifySecondFactorError::FactorNotAllowed,
        ) => SignInOutcome::Refused,
        Err(
            VerifySecondFactorError::Proof(ProofError::Store(_))
            | VerifySecondFactorError::Signing(_),
        ) => SignInOutcome::Failed,
    }
}

pub(crate) const fn of_refresh<T>(done: &Result<T, RefreshError>) -> RefreshOutcome {
    match done {
        Ok(_) => RefreshOutcome::Success,
        Err(RefreshError::InvalidToken) => RefreshOutcome::Refused,
        Err(RefreshError::Reused) => RefreshOutcome::Reused,
        Err(RefreshError::Signing(_) | RefreshError::Store(_)) => RefreshOutcome::Failed,
    }
}

pub(crate) const fn of_register<T>(done: &Result<T, RegisterError>) -> RegistrationOutcome {
    match done {
        Ok(_) => RegistrationOutcome::Requested,
        Err(
            RegisterError::RoleNotOffered
            | RegisterError::WeakPassword(_)
            | RegisterError::Send(SendError::TooManyMessages { .. })
            | RegisterError::IdempotencyKeyReused
            | RegisterError::IdempotencyInProgress,
        ) => RegistrationOutcome::Refused,
        Err(RegisterError::Hash(HashError::Overloaded)) => RegistrationOutcome::Overloaded,
        Err(RegisterError::Hash(HashError::Failed) | RegisterError::Send(SendError::Store(_))) => {
            RegistrationOutcome::Failed
        }
    }
}
