//! A bound on the wait for a password hash.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use authentication_app::ports::{HashError, PasswordHasher, Verification};
use authentication_domain::credentials::{PasswordHash, PlainPassword};
use tokio::time::timeout;

/// Gives up a hash that is not there in time: a machine that is starved of cores is as good as one whose queue
/// is full. What nobody awaits any more, the pool does not compute.
pub(super) struct PatientHasher {
    inner: Arc<dyn PasswordHasher>,
    at_most: Duration,
}

impl PatientHasher {
    /// Waits for half as long as a whole request may take: what follows the hash needs its time too.
    pub(super) fn new(inner: Arc<dyn PasswordHasher>, request_deadline: Duration) -> Self {
        Self {
            inner,
            at_most: request_deadline / 2,
        }
    }

    async fn wait<T>(
        &self,
        hash: impl Future<Output = Result<T, HashError>>,
    ) -> Result<T, HashError> {
        let in_time = timeout(self.at_most, hash).await;
        in_time.unwrap_or(Err(HashError::Overloaded))
    }
}

#[async_trait]
impl PasswordHasher for PatientHasher {
    async fn hash(&self, password: &PlainPassword) -> Result<PasswordHash, HashError> {
        self.wait(self.inner.hash(password)).await
    }

    async fn verify(
        &self,
        password: &PlainPassword,
        hash: Option<&PasswordHash>,
    ) -> Result<Verification, HashError> {
        self.wait(self.inner.verify(password, hash)).await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    struct Starved;

    #[async_trait]
    impl PasswordHasher for Starved {
        async fn hash(&self, _: &PlainPassword) -> Result<PasswordHash, HashError> {
            pending().await
        }

        async fn verify(
            &self,
            _: &PlainPassword,
            _: Option<&PasswordHash>,
        ) -> Result<Verification, HashError> {
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_hash() {
        let hasher = PatientHasher::new(Arc::new(Starved), Duration::from_secs(10));
        let password = PlainPassword::from_typed(&"lilac-Harbour-42-zeppelin".into()).unwrap();
        let compared = hasher.verify(&password, None).await;
        assert_eq!(compared, Err(HashError::Overloaded));
        let made = hasher.hash(&password).await.map(drop);
        assert_eq!(made, Err(HashError::Overloaded));
    }
}
