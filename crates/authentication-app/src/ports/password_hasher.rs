//! Password hashing on a dedicated thread pool.

use async_trait::async_trait;
use authentication_domain::credentials::{PasswordHash, PlainPassword, Strength};

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// The password matches the hash.
    Match {
        /// The hash was made with other parameters or by another system, and should be replaced.
        outdated: bool,
    },
    /// The password does not match.
    Mismatch,
}

/// Why no hash was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// More requests are waiting than can be served in time; the caller answers 503.
    #[error("the hashing queue is full")]
    Overloaded,
    /// The hash has an unknown format, or the pool has shut down.
    #[error("the password hash cannot be computed")]
    Failed,
}

/// argon2id on a bounded pool. Every call to hash or verify costs one hash computation, or nothing when it fails.
#[async_trait]
pub trait PasswordHasher: Send + Sync {
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full.
    async fn hash(&self, password: &PlainPassword) -> Result<PasswordHash, HashError>;

    /// Verifies a password. Without a hash (no account has the identifier) it costs the same and never matches.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full.
    async fn verify(
        &self,
        password: &PlainPassword,
        hash: Option<&PasswordHash>,
    ) -> Result<Verification, HashError>;

    /// Estimates how many guesses a password would take, for a person whose `guessed_first` would be tried first.
    /// This is CPU work too, so it runs on the same pool.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once when the queue is full.
    async fn estimate(
        &self,
        password: &PlainPassword,
        guessed_first: Vec<String>,
    ) -> Result<Strength, HashError>;
}
