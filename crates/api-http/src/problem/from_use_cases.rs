//! Maps each outcome of a use case to what a client sees.
//!
//! Every `match` lists every variant: a new variant fails to compile until its mapping is decided.

use authentication_app::{
    RepeatError,
    accounts::{
        ChangeIdentifierError, ConfirmIdentifierError, NotMeError, RegisterError,
        UpdateProfileError,
    },
    challenges::{ProofError, ResendError, SendError, VerifyCodeError},
    credentials::{ChangePasswordError, CompleteResetError},
    mfa::{
        ConfirmTotpError, EnrolTotpError, RemoveFactorError, RenewRecoveryCodesError,
        SendSecondFactorError, VerifySecondFactorError,
    },
    passkeys::{
        BeginEnrolmentError, EnrolError, PasskeySignInError, RemovePasskeyError, RenamePasskeyError,
    },
    ports::{HashError, SigningFailed, StoreError},
    sessions::{
        AuthenticateError, EndSessionError, ForgetDeviceError, LogInError, ReauthenticateError,
        RefreshError,
    },
};
use authentication_domain::credentials::Weakness;
use time::Duration;

use super::{FieldError, Problem, ProblemCode};

/// How long a client should wait for a temporary problem: a failover, a full queue.
pub(super) const SOON: Duration = Duration::seconds(2);

/// A new password that is too weak, reported for its field.
fn weak_password(field: &'static str, weakness: Weakness) -> Problem {
    Problem::invalid_field(FieldError::new(
        field,
        weakness.code(),
        weakness.to_string(),
    ))
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let problem = match &error {
            StoreError::Conflict(_) => Self::of(ProblemCode::Conflict),
            StoreError::SessionOver => Self::of(ProblemCode::InvalidToken),
            StoreError::Retryable | StoreError::Unavailable(_) => {
                Self::of(ProblemCode::Unavailable).retry_after(SOON)
            }
            StoreError::Corrupt { .. } | StoreError::Failed(_) => {
                Self::of(ProblemCode::InternalError)
            }
        };
        problem.caused_by(error)
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded => Self::of(ProblemCode::Overloaded).retry_after(SOON),
            HashError::Failed => Self::of(ProblemCode::InternalError).caused_by(error),
        }
    }
}

impl From<SigningFailed> for Problem {
    fn from(error: SigningFailed) -> Self {
        Self::of(ProblemCode::InternalError).caused_by(error)
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::TooManyMessages { retry_after } => {
                Self::of(ProblemCode::RateLimited).retry_after(retry_after)
            }
            SendError::Store(error) => error.into(),
        }
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::InvalidCode => Self::of(ProblemCode::InvalidCode),
            ProofError::TooManyAttempts { retry_after } => {
                Self::of(ProblemCode::TooManyAttempts).retry_after(retry_after)
            }
            ProofError::Store(error) => error.into(),
        }
    }
}

impl From<RepeatError> for Problem {
    fn from(error: RepeatError) -> Self {
        match error {
            RepeatError::KeyReused => Self::of(ProblemCode::IdempotencyKeyReused),
            RepeatError::InProgress => Self::of(ProblemCode::IdempotencyInProgress),
            RepeatError::OutdatedToken => Self::of(ProblemCode::InvalidToken),
            RepeatError::Store(error) => error.into(),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::RoleNotOffered => Self::invalid_field(FieldError::role_not_offered()),
            RegisterError::WeakPassword(weakness) => weak_password("password", weakness),
            RegisterError::Send(error) => error.into(),
            RegisterError::IdempotencyKeyReused => Self::of(ProblemCode::IdempotencyKeyReused),
            RegisterError::IdempotencyInProgress => Self::of(ProblemCode::IdempotencyInProgress),
            RegisterError::Hash(error) => error.into(),
        }
    }
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::UnknownChallenge => Self::of(ProblemCode::InvalidCode),
            ResendError::Send(error) => error.into(),
        }
    }
}

impl From<VerifyCodeError> for Problem {
    fn from(error: VerifyCodeError) -> Self {
        match error {
            VerifyCodeError::Proof(error) => error.into(),
            VerifyCodeError::Suspended => Self::of(ProblemCode::AccountSuspended),
            VerifyCodeError::AnotherProofRequired => Self::of(ProblemCode::AnotherProofRequired),
            VerifyCodeError::Signing(error) => error.into(),
        }
    }
}

impl From<LogInError> for Problem {
    fn from(error: LogInError) -> Self {
        match error {
            LogInError::InvalidCredentials => Self::of(ProblemCode::InvalidCredentials),
            LogInError::Locked { retry_after } => {
                Self::of(ProblemCode::AccountLocked).retry_after(retry_after)
            }
            LogInError::RateLimited { retry_after } => {
                Self::of(ProblemCode::RateLimited).retry_after(retry_after)
            }
            LogInError::Suspended => Self::of(ProblemCode::AccountSuspended),
            LogInError::Hash(error) => error.into(),
            LogInError::Signing(error) => error.into(),
            LogInError::Store(error) => error.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::InvalidToken => Self::of(ProblemCode::InvalidRefreshToken),
            RefreshError::Reused => Self::of(ProblemCode::RefreshTokenReused),
            RefreshError::Signing(error) => error.into(),
            RefreshError::Store(error) => error.into(),
        }
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::InvalidToken => Self::of(ProblemCode::InvalidToken),
            AuthenticateError::Store(error) => error.into(),
        }
    }
}

impl From<EndSessionError> for Problem {
    fn from(error: EndSessionError) -> Self {
        match error {
            EndSessionError::NotFound => Self::of(ProblemCode::NotFound),
            EndSessionError::Store(error) => error.into(),
        }
    }
}

impl From<UpdateProfileError> for Problem {
    fn from(error: UpdateProfileError) -> Self {
        match error {
            UpdateProfileError::Conflict => Self::of(ProblemCode::Conflict),
            // The account was deleted between the check of the token and the write, so the token is no longer
            // valid.
            UpdateProfileError::NotFound => Self::of(ProblemCode::InvalidToken),
            UpdateProfileError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeIdentifierError> for Problem {
    fn from(error: ChangeIdentifierError) -> Self {
        match error {
            ChangeIdentifierError::Unchanged => Self::invalid_field(FieldError::new(
                "identifier",
                "unchanged",
                "this is already the account's identifier",
            )),
            ChangeIdentifierError::Send(error) => error.into(),
        }
    }
}

impl From<ConfirmIdentifierError> for Problem {
    fn from(error: ConfirmIdentifierError) -> Self {
        match error {
            ConfirmIdentifierError::Proof(error) => error.into(),
            ConfirmIdentifierError::Conflict => Self::of(ProblemCode::Conflict),
        }
    }
}

impl From<NotMeError> for Problem {
    fn from(error: NotMeError) -> Self {
        match error {
            NotMeError::InvalidLink => Self::of(ProblemCode::InvalidCode),
            NotMeError::Store(error) => error.into(),
        }
    }
}

impl From<ForgetDeviceError> for Problem {
    fn from(error: ForgetDeviceError) -> Self {
        match error {
            ForgetDeviceError::NotFound => Self::of(ProblemCode::NotFound),
            ForgetDeviceError::Store(error) => error.into(),
        }
    }
}

impl From<BeginEnrolmentError> for Problem {
    fn from(error: BeginEnrolmentError) -> Self {
        match error {
            BeginEnrolmentError::TooMany => Self::of(ProblemCode::TooManyPasskeys),
            BeginEnrolmentError::Store(error) => error.into(),
        }
    }
}

impl From<EnrolError> for Problem {
    fn from(error: EnrolError) -> Self {
        match error {
            EnrolError::InvalidPasskey => Self::of(ProblemCode::InvalidCode),
            EnrolError::TooMany => Self::of(ProblemCode::TooManyPasskeys),
            EnrolError::Store(error) => error.into(),
        }
    }
}

impl From<RenamePasskeyError> for Problem {
    fn from(error: RenamePasskeyError) -> Self {
        match error {
            RenamePasskeyError::NotFound => Self::of(ProblemCode::NotFound),
            RenamePasskeyError::Store(error) => error.into(),
        }
    }
}

impl From<RemovePasskeyError> for Problem {
    fn from(error: RemovePasskeyError) -> Self {
        match error {
            RemovePasskeyError::NotFound => Self::of(ProblemCode::NotFound),
            RemovePasskeyError::LastWayIn(_) => Self::of(ProblemCode::LastWayIn),
            RemovePasskeyError::Store(error) => error.into(),
        }
    }
}

impl From<PasskeySignInError> for Problem {
    fn from(error: PasskeySignInError) -> Self {
        match error {
            PasskeySignInError::InvalidPasskey => Self::of(ProblemCode::InvalidCode),
            PasskeySignInError::UnknownPasskey => Self::unknown_passkey(),
            PasskeySignInError::Suspended => Self::of(ProblemCode::AccountSuspended),
            PasskeySignInError::Signing(error) => error.into(),
            PasskeySignInError::Store(error) => error.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::InvalidCurrentPassword => {
                Self::of(ProblemCode::InvalidCurrentPassword)
            }
            ChangePasswordError::Locked { retry_after } => {
                Self::of(ProblemCode::AccountLocked).retry_after(retry_after)
            }
            ChangePasswordError::WeakPassword(weakness) => weak_password("new_password", weakness),
            ChangePasswordError::Conflict => Self::of(ProblemCode::Conflict),
            ChangePasswordError::SessionOver => Self::of(ProblemCode::InvalidToken),
            ChangePasswordError::Repeat(error) => error.into(),
            ChangePasswordError::Signing(error) => error.into(),
            ChangePasswordError::Hash(error) => error.into(),
            ChangePasswordError::Store(error) => error.into(),
        }
    }
}

impl From<VerifySecondFactorError> for Problem {
    fn from(error: VerifySecondFactorError) -> Self {
        match error {
            VerifySecondFactorError::Proof(error) => error.into(),
            VerifySecondFactorError::FactorNotAllowed => {
                Self::of(ProblemCode::SecondFactorNotAllowed)
            }
            VerifySecondFactorError::Signing(error) => error.into(),
        }
    }
}

impl From<SendSecondFactorError> for Problem {
    fn from(error: SendSecondFactorError) -> Self {
        match error {
            SendSecondFactorError::Proof(error) => error.into(),
            SendSecondFactorError::FactorNotAllowed => {
                Self::of(ProblemCode::SecondFactorNotAllowed)
            }
            SendSecondFactorError::Send(error) => error.into(),
        }
    }
}

impl From<EnrolTotpError> for Problem {
    fn from(error: EnrolTotpError) -> Self {
        match error {
            EnrolTotpError::CannotBeShown => Self::of(ProblemCode::InternalError).caused_by(error),
            EnrolTotpError::Store(error) => error.into(),
        }
    }
}

impl From<ConfirmTotpError> for Problem {
    fn from(error: ConfirmTotpError) -> Self {
        match error {
            ConfirmTotpError::Proof(error) => error.into(),
            ConfirmTotpError::Repeat(error) => error.into(),
            ConfirmTotpError::Signing(error) => error.into(),
        }
    }
}

impl From<RemoveFactorError> for Problem {
    fn from(error: RemoveFactorError) -> Self {
        match error {
            RemoveFactorError::NotFound => Self::of(ProblemCode::NotFound),
            RemoveFactorError::Store(error) => error.into(),
        }
    }
}

impl From<RenewRecoveryCodesError> for Problem {
    fn from(error: RenewRecoveryCodesError) -> Self {
        match error {
            RenewRecoveryCodesError::NoSecondFactor => Self::of(ProblemCode::NoSecondFactor),
            RenewRecoveryCodesError::Store(error) => error.into(),
        }
    }
}

impl From<ReauthenticateError> for Problem {
    fn from(error: ReauthenticateError) -> Self {
        match error {
            ReauthenticateError::InvalidPassword => Self::of(ProblemCode::InvalidCurrentPassword),
            ReauthenticateError::Locked { retry_after } => {
                Self::of(ProblemCode::AccountLocked).retry_after(retry_after)
            }
            ReauthenticateError::Proof(error) => error.into(),
            ReauthenticateError::SessionOver => Self::of(ProblemCode::InvalidToken),
            ReauthenticateError::Repeat(error) => error.into(),
            ReauthenticateError::Hash(error) => error.into(),
            ReauthenticateError::Signing(error) => error.into(),
        }
    }
}

impl From<CompleteResetError> for Problem {
    fn from(error: CompleteResetError) -> Self {
        match error {
            CompleteResetError::Proof(error) => error.into(),
            CompleteResetError::AnotherProofRequired => Self::of(ProblemCode::AnotherProofRequired),
            CompleteResetError::WeakPassword(weakness) => weak_password("new_password", weakness),
            CompleteResetError::Conflict => Self::of(ProblemCode::Conflict),
            CompleteResetError::Hash(error) => error.into(),
        }
    }
}
