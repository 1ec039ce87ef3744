//! Password hashes made by another system.

use authentication_domain::credentials::PasswordHash;

/// Why a hash is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashRefused {
    /// Its scheme is not one that sign-in can verify.
    #[error("the password is hashed by a scheme that is not supported")]
    UnknownScheme,
    /// The scheme is known, but the hash is malformed.
    #[error("the password hash is malformed")]
    Malformed,
    /// Verifying it would take longer than a sign-in may.
    #[error("the password hash costs more than a sign-in may")]
    TooCostly,
}

/// Validates hashes before they are stored. Each hash it accepts, [`super::PasswordHasher::verify`] can verify, and
/// reports as outdated.
pub trait ForeignHashes: Send + Sync {
    /// The hash as it is stored; `None` when the other system had disabled sign-in by password.
    ///
    /// # Errors
    /// [`HashRefused`].
    fn take(&self, stored: &str) -> Result<Option<PasswordHash>, HashRefused>;
}
