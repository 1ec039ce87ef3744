//! Password hashing on a pool of its own.

use async_trait::async_trait;
use authentication_domain::credentials::{PasswordHash, PlainPassword, Strength};

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The password is the one that was hashed.
    Match {
        /// The hash was made with other parameters or by another system, and should be replaced.
        outdated: bool,
    },
    /// It is not.
    Mismatch,
}

/// Why no hash was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// More are waiting than will be served in time; the caller answers 503.
    #[error("the hashing queue is full")]
    Overloaded,
    /// The hash is in no form we know, or the pool is gone.
    #[error("the password hash cannot be computed")]
    Failed,
}

/// argon2id on a bounded pool. Every call to hash or to compare costs one hash, or nothing when it fails.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full.
    async fn hash(&self, password: &PlainPassword) -> Result<PasswordHash, HashError>;

    /// Compares. With no hash (nobody has the identifier) it costs the same and never matches.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full.
    async fn verify(
        &self,
        password: &PlainPassword,
        hash: Option<&PasswordHash>,
    ) -> Result<Verification, HashError>;

    /// Estimates how many guesses a password would take, of somebody for whom `guessed_first` would be tried
    /// first. It is work too, so it is done where hashes are computed.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full.
    async fn estimate(
        &self,
        password: &PlainPassword,
        guessed_first: Vec<String>,
    ) -> Result<Strength, HashError>;
}
