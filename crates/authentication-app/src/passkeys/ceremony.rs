//! Storing the state of a ceremony, and finding it again.

use authentication_domain::{
    accounts::AccountId,
    opaque_token::TokenDigest,
    passkeys::{CeremonyPurpose, CredentialDigest},
};
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    Foundation, RequestContext, corrupt,
    ports::{
        BegunCeremony, CeremonyQuestion, CeremonyRecord, NewCeremony, Sealed, ServicePurpose,
        StoreError,
    },
    retry::retrying,
};

/// The holder and purpose of a ceremony.
#[derive(Clone, Copy)]
pub(crate) struct InHands {
    pub(crate) holder: TokenDigest,
    pub(crate) purpose: CeremonyPurpose,
}

impl Foundation {
    /// Stores the state for judging the answer; returns the options for the device.
    pub(crate) async fn keep_ceremony(
        &self,
        begun: BegunCeremony,
        of: InHands,
        account: Option<AccountId>,
    ) -> Result<Value, StoreError> {
        let now = self.clock.now();
        let id = self.new_id(now);
        let ceremony = NewCeremony {
            id,
            holder: of.holder,
            purpose: of.purpose,
            account,
            state: self.vault.seal_for_service(
                ServicePurpose::PasskeyCeremony,
                id.as_bytes(),
                &begun.state,
            ),
            expires_at: self.rules.passkeys.expiry(now),
        };
        retrying(|| async {
            let mut unit = self.store.begin().await?;
            unit.passkeys().begin_ceremony(&ceremony).await?;
            unit.commit().await
        })
        .await?;
        Ok(begun.options)
    }

    /// The live ceremony that a holder finishes, with the passkey that claims to answer.
    pub(crate) async fn find_ceremony(
        &self,
        of: InHands,
        credential: Option<CredentialDigest>,
        ctx: &RequestContext,
    ) -> Result<Option<CeremonyRecord>, StoreError> {
        let question = CeremonyQuestion {
            holder: of.holder,
            purpose: of.purpose,
            credential,
            device: ctx.claimed_device(),
            now: self.clock.now(),
        };
        self.store.find_ceremony(question).await
    }

    pub(crate) fn open_ceremony(
        &self,
        id: Uuid,
        state: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.vault
            .open_for_service(ServicePurpose::PasskeyCeremony, id.as_bytes(), state)
            .map_err(|_| corrupt("webauthn_ceremonies", "state"))
    }
}
