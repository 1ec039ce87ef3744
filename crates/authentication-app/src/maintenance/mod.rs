//! Upkeep: what expired is deleted, and readiness is told.

use std::sync::Arc;

use crate::{Foundation, ports::StoreError};

/// Upkeep of the store.
#[derive(Clone)]
pub struct Upkeep {
    base: Arc<Foundation>,
}

impl Upkeep {
    /// Built once by the composition root.
    pub const fn new(base: Arc<Foundation>) -> Self {
        Self { base }
    }

    /// Deletes what expired and serves nobody; answers with how many rows went.
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
