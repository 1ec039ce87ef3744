//! The sealed payload of a challenge.

use authentication_domain::opaque_token::TokenDigest;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Foundation,
    accounts::{PendingChange, PendingRegistration},
    corrupt,
    ports::{Sealed, ServicePurpose, StoreError},
};

/// The payload of a challenge.
#[derive(Serialize, Deserialize)]
pub(crate) struct ChallengePayload {
    /// The masked identifier, derived only from what was typed; shown in the response to a resend.
    pub(crate) sent_to: String,
    /// The registration form's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) registration: Option<PendingRegistration>,
    /// The requested change of identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<PendingChange>,
}

impl ChallengePayload {
    /// What the message with the code must carry, if the identifier belongs to no account yet.
    pub(crate) fn for_its_message(&self) -> Option<Zeroizing<String>> {
        let registration = self.registration.as_ref();
        let change = self.change.as_ref();
        registration
            .map(PendingRegistration::for_its_message)
            .or_else(|| change.map(PendingChange::for_its_message))
    }
}

const PURPOSE: ServicePurpose = ServicePurpose::PendingRegistration;

impl Foundation {
    pub(crate) fn open_payload(
        &self,
        challenge: TokenDigest,
        sealed: &Sealed,
    ) -> Result<ChallengePayload, StoreError> {
        let unreadable = || corrupt("challenges", "payload");
        let plain = self
            .vault
            .open_for_service(PURPOSE, &challenge.0, sealed)
            .map_err(|_| unreadable())?;
        serde_json::from_slice(&plain).map_err(|_| unreadable())
    }

    pub(crate) fn seal_payload(&self, challenge: TokenDigest, payload: &impl Serialize) -> Sealed {
        let plain = Zeroizing::new(serde_json::to_vec(payload).unwrap_or_default());
        self.vault.seal_for_service(PURPOSE, &challenge.0, &plain)
    }
}
