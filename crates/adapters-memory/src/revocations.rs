//! The broadcast of a node that has no other nodes to notify.

use async_trait::async_trait;
use authentication_app::ports::{CacheError, Invalidation, RevocationChannel};

/// The channel of a single node, whose own cache is the only one to be invalidated.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalRevocations;

#[async_trait]
impl RevocationChannel for LocalRevocations {
    async fn publish(&self, _invalidation: &Invalidation) -> Result<(), CacheError> {
        Ok(())
    }
}
