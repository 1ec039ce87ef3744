//! Password hashes that another system made.

use authentication_domain::credentials::PasswordHash;

/// Why a hash is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashRefused {
    /// Of no scheme that sign-in can compare with.
    #[error("the password is hashed by a scheme that is not supported")]
    UnknownScheme,
    /// Of a known scheme, and not in its form.
    #[error("the password hash is malformed")]
    Malformed,
    /// To compare with it would take longer than a sign-in may.
    #[error("the password hash costs more than a sign-in may")]
    TooCostly,
}

/// Judges hashes before they are kept. What it takes, [`super::PasswordHasher::verify`] compares with, and
/// calls outdated.
pub trait ForeignHashes: Send + Sync {
    /// The hash as it is kept; `None` when the other system had closed sign-in by password.
    ///
    /// # Errors
    /// [`HashRefused`].
    fn take(&self, stored: &str) -> Result<Option<PasswordHash>, HashRefused>;
}
