//! How an identity is stored: looked up by a keyed digest, and sealed under its owner's key.

use authentication_domain::{
    accounts::AccountId,
    federation::{ExternalIdentity, ProviderName},
};
use time::OffsetDateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Foundation,
    ports::{DataKey, FieldContext, NewFederatedIdentity, Vault},
};

/// Everything needed to seal the identities of one account.
pub(crate) struct IdentitySealing<'a> {
    pub(crate) vault: &'a dyn Vault,
    pub(crate) account: AccountId,
    pub(crate) key: &'a DataKey,
    pub(crate) now: OffsetDateTime,
}

impl IdentitySealing<'_> {
    /// The row with this id for an identity.
    pub(crate) fn seal(
        &self,
        id: Uuid,
        provider: ProviderName,
        identity: &ExternalIdentity,
    ) -> NewFederatedIdentity {
        let plain = Zeroizing::new(serde_json::to_vec(identity).unwrap_or_default());
        NewFederatedIdentity {
            id,
            account: self.account,
            provider,
            digest: digest_of(self.vault, identity),
            identity: self.vault.seal(self.key, identity_field(id), &plain),
            linked_at: self.now,
        }
    }
}

impl Foundation {
    /// The digest by which an identity is looked up and unique.
    pub(crate) fn digest_of(&self, identity: &ExternalIdentity) -> [u8; 32] {
        digest_of(self.vault.as_ref(), identity)
    }

    pub(super) fn new_identity(
        &self,
        provider: ProviderName,
        identity: &ExternalIdentity,
        (account, key): (AccountId, &DataKey),
        now: OffsetDateTime,
    ) -> NewFederatedIdentity {
        let sealing = IdentitySealing {
            vault: self.vault.as_ref(),
            account,
            key,
            now,
        };
        sealing.seal(self.new_id(now), provider, identity)
    }
}

/// The digest survives every key rotation, because an identity cannot be obtained again to recompute it.
fn digest_of(vault: &dyn Vault, identity: &ExternalIdentity) -> [u8; 32] {
    vault.lasting_fingerprint(&identity.index_form())
}

/// The field context of a stored identity.
const fn identity_field(row: Uuid) -> FieldContext {
    FieldContext {
        table: "federated_identities",
        column: "identity",
        row,
    }
}
