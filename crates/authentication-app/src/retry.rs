//! Running a unit of work again when the database gave it up.

use std::future::Future;

use crate::ports::StoreError;

/// How often a use case is run at the most.
const ATTEMPTS: u32 = 3;

/// An error that may say "the database asks to try again".
pub(crate) trait MayBeRetried {
    /// Whether it does.
    fn is_retryable(&self) -> bool;
}

impl MayBeRetried for StoreError {
    fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable)
    }
}

/// Runs `attempt` again, at most [`ATTEMPTS`] times in all, while the database gives it up
/// (SQLSTATE 40001, 40P01). An attempt must leave nothing behind but what its commit made true.
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
