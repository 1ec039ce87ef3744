//! Upper and lower time limits of password hashing.

use std::{future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;
use authentication_app::ports::{HashError, PasswordHasher, Verification};
use authentication_domain::credentials::{PasswordHash, PlainPassword, Strength};
use tokio::time::{Instant, sleep_until, timeout};

/// Gives up on a hash that is not ready in time: a machine without free cores is treated like a full queue. The
/// pool skips hashes that are no longer awaited.
///
/// A failed comparison is never answered before the floor. Imported hashes may cost more than the service's own, so
/// without a floor above their cost the response time would reveal imported accounts. The floor is a timer after
/// the hash is ready, so it never turns a mismatch into an overload, and every mismatch is counted.
pub(super) struct PatientHasher {
    inner: Arc<dyn PasswordHasher>,
    at_most: Duration,
    refusal_floor: Duration,
}

impl PatientHasher {
    /// Waits for at most half of the request deadline, because the rest of the request needs time too.
    pub(super) fn new(
        inner: Arc<dyn PasswordHasher>,
        request_deadline: Duration,
        refusal_floor: Duration,
    ) -> Self {
        Self {
            inner,
            at_most: request_deadline / 2,
            refusal_floor,
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
        let asked = Instant::now();
        let found = self.wait(self.inner.verify(password, hash)).await?;
        if found == Verification::Mismatch && !self.refusal_floor.is_zero() {
            sleep_until(asked + self.refusal_floor).await;
        }
        Ok(found)
    }

    async fn estimate(
        &self,
        password: &PlainPassword,
        guessed_first: Vec<String>,
    ) -> Result<Strength, HashError> {
        self.wait(self.inner.estimate(password, guessed_first))
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    fn typed() -> PlainPassword {
        PlainPassword::from_typed(&"lilac-Harbour-42-zeppelin".into()).unwrap()
    }

    /// Compares at once: it matches if there is a hash.
    struct Quick;

    #[async_trait]
    impl PasswordHasher for Quick {
        async fn hash(&self, _: &PlainPassword) -> Result<PasswordHash, HashError> {
            Ok(PasswordHash::from_encoded("a hash".to_owned()))
        }

        async fn verify(
            &self,
            _: &PlainPassword,
            hash: Option<&PasswordHash>,
        ) -> Result<Verification, HashError> {
            Ok(match hash {
                Some(_) => Verification::Match { outdated: false },
                None => Verification::Mismatch,
            })
        }

        async fn estimate(&self, _: &PlainPassword, _: Vec<String>) -> Result<Strength, HashError> {
            Ok(Strength::new(4))
        }
    }

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

        async fn estimate(&self, _: &PlainPassword, _: Vec<String>) -> Result<Strength, HashError> {
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_for_a_hash() {
        let hasher = PatientHasher::new(Arc::new(Starved), DEADLINE, Duration::ZERO);
        let compared = hasher.verify(&typed(), None).await;
        assert_eq!(compared, Err(HashError::Overloaded));
        let made = hasher.hash(&typed()).await.map(drop);
        assert_eq!(made, Err(HashError::Overloaded));
        let estimated = hasher.estimate(&typed(), Vec::new()).await;
        assert_eq!(estimated, Err(HashError::Overloaded));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_comes_no_earlier_than_the_floor_and_a_match_at_once() {
        // For any floor: a mismatch that is given up on would not be counted.
        for floor in [DEADLINE / 10, DEADLINE / 2, DEADLINE] {
            let hasher = PatientHasher::new(Arc::new(Quick), DEADLINE, floor);
            let asked = Instant::now();
            let refused = hasher.verify(&typed(), None).await;
            assert_eq!(refused, Ok(Verification::Mismatch), "{floor:?}");
            assert!(asked.elapsed() >= floor, "{floor:?}");
            let asked = Instant::now();
            let hash = hasher.hash(&typed()).await.unwrap();
            let matches = hasher.verify(&typed(), Some(&hash)).await;
            assert_eq!(matches, Ok(Verification::Match { outdated: false }));
            assert!(asked.elapsed() < floor, "{floor:?}");
        }
    }
}
