//! How an identity is kept: found by a keyed digest, and sealed under its owner's key.

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

/// For whom identities are sealed, and when.
pub(crate) struct IdentitySealing<'a> {
    pub(crate) vault: &'a dyn Vault,
    pub(crate) account: AccountId,
    pub(crate) key: &'a DataKey,
    pub(crate) now: OffsetDateTime,
}

impl IdentitySealing<'_> {
    /// The row with this id.
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
    /// Under which an identity is found and is unique.
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

/// It outlives every change of keys, as an identity cannot be asked for again to be indexed anew.
fn digest_of(vault: &dyn Vault, identity: &ExternalIdentity) -> [u8; 32] {
    vault.lasting_fingerprint(&identity.index_form())
}

/// Where an identity is kept.
const fn identity_field(row: Uuid) -> FieldContext {
    FieldContext {
        table: "federated_identities",
        column: "identity",
        row,
    }
}
