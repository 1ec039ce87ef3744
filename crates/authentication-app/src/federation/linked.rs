//! The identities that open one's own account.

use authentication_domain::federation::ProviderName;
use time::OffsetDateTime;

use crate::{
    ports::{SessionSnapshot, StoreError},
    sessions::Sessions,
};

/// An identity that opens the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkedIdentity {
    /// The provider; it may no longer be configured.
    pub provider: ProviderName,
    /// When it was linked.
    pub linked_at: OffsetDateTime,
}

impl Sessions {
    /// The identities that open the account (`GET /me/providers`), at most one per provider, sorted by provider
    /// name.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn linked_identities(
        &self,
        who: &SessionSnapshot,
    ) -> Result<Vec<LinkedIdentity>, StoreError> {
        let records = self.base.store.identities_of(who.owner.account.id).await?;
        let linked = records.iter().map(|record| LinkedIdentity {
            provider: record.provider,
            linked_at: record.linked_at,
        });
        Ok(linked.collect())
    }
}
