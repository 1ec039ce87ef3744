//! Maps each outcome of a sign-in through an identity provider to what a client sees.

use authentication_app::{
    federation::{BeginFlowError, EnterError, LinkError, UnlinkError, Unproven},
    ports::ProviderError,
    sessions::ReauthenticateByProviderError,
};

use super::{FieldError, Problem, ProblemCode, from_use_cases::SOON};

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        match error {
            // Only the log has the reason why a token was rejected.
            ProviderError::Refused(_) => Self::of(ProblemCode::InvalidCredentials),
            ProviderError::MixedUp => Self::of(ProblemCode::InvalidState),
            ProviderError::Unavailable { retry_after } => Self::of(ProblemCode::Unavailable)
                .retry_after(retry_after)
                .caused_by(error),
            ProviderError::Untrustworthy(_) => Self::of(ProblemCode::Unavailable)
                .retry_after(SOON)
                .caused_by(error),
        }
    }
}

impl From<Unproven> for Problem {
    fn from(error: Unproven) -> Self {
        match error {
            Unproven::InvalidState => Self::of(ProblemCode::InvalidState),
            Unproven::UnknownNonce | Unproven::Untrusted(_) => {
                Self::of(ProblemCode::InvalidCredentials)
            }
            Unproven::Provider(error) => error.into(),
            Unproven::Store(error) => error.into(),
        }
    }
}

impl From<EnterError> for Problem {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::RoleNotOffered => Self::invalid_field(FieldError::role_not_offered()),
            EnterError::Unproven(error) => error.into(),
            EnterError::Closed => Self::of(ProblemCode::InvalidCredentials),
            EnterError::AccountExists => Self::of(ProblemCode::AccountExistsLinkRequired),
            EnterError::Suspended => Self::of(ProblemCode::AccountSuspended),
            EnterError::Signing(error) => error.into(),
            EnterError::Store(error) => error.into(),
        }
    }
}

impl From<BeginFlowError> for Problem {
    fn from(error: BeginFlowError) -> Self {
        match error {
            BeginFlowError::NotConfigured => Self::of(ProblemCode::NotFound),
            BeginFlowError::RedirectNotAllowed => Self::of(ProblemCode::InvalidRedirectUri),
            BeginFlowError::Provider(error) => error.into(),
            BeginFlowError::Store(error) => error.into(),
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Unproven(error) => error.into(),
            LinkError::AlreadyLinked => Self::of(ProblemCode::AlreadyLinked),
            LinkError::Conflict => Self::of(ProblemCode::Conflict),
            LinkError::Store(error) => error.into(),
        }
    }
}

impl From<ReauthenticateByProviderError> for Problem {
    fn from(error: ReauthenticateByProviderError) -> Self {
        match error {
            ReauthenticateByProviderError::Unproven(error) => error.into(),
            ReauthenticateByProviderError::AnotherIdentity => {
                Self::of(ProblemCode::InvalidCredentials)
            }
            ReauthenticateByProviderError::Renewal(error) => error.into(),
        }
    }
}

impl From<UnlinkError> for Problem {
    fn from(error: UnlinkError) -> Self {
        match error {
            UnlinkError::NotLinked => Self::of(ProblemCode::NotFound),
            UnlinkError::LastWayIn(_) => Self::of(ProblemCode::LastWayIn),
            UnlinkError::Conflict => Self::of(ProblemCode::Conflict),
            UnlinkError::Store(error) => error.into(),
        }
    }
}
