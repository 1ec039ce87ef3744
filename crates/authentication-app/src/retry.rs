//! Retries a unit of work that the database aborted.

use std::future::Future;

use crate::ports::StoreError;

/// The maximum number of attempts of a use case.
const ATTEMPTS: u32 = 3;

/// An error that may ask for a retry.
pub(crate) trait MayBeRetried {
    /// Whether this error asks for a retry.
    fn is_retryable(&self) -> bool;
}

impl MayBeRetried for StoreError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable)
    }
}

/// Runs `attempt`, at most [`ATTEMPTS`] times in all, until the database does not abort it (SQLSTATE 40001, 40P01).
/// An attempt must have no effect except through its commit.
pub(crate) async fn retrying<T, E, F>(mut attempt: impl FnMut() -> F) -> Result<T, E>
where
    E: MayBeRetried,
    F: Future<Output = Result<T, E>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.is_retryable() => {}
            done => return done,
        }
    }
    attempt().await
}

/// For error enums with a transparent `Store` variant.
macro_rules! retry_on_store_error {
    ($($error:ty),+ $(,)?) => {$(
        impl $crate::retry::MayBeRetried for $error {
            fn is_retryable(&self) -> bool {
                matches!(self, Self::Store($crate::ports::StoreError::Retryable))
            }
        }
    )+};
}
pub(crate) use retry_on_store_error;
