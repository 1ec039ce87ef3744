//! Maintenance: deletes expired rows and reports readiness.

use std::sync::Arc;

use crate::{Foundation, ports::StoreError};

/// Maintenance of the store.
#[derive(Clone)]
pub struct Upkeep {
    base: Arc<Foundation>,
}

impl Upkeep {
    /// Called once, by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }

    /// Deletes what has expired and has no further use; returns the number of deleted rows.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn purge(&self) -> Result<u64, StoreError> {
        self.base.store.purge_expired(self.base.clock.now()).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ping_store(&self) -> Result<(), StoreError> {
        self.base.store.ping().await
    }
}
