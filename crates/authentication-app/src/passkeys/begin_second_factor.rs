//! Options for a passkey as the second factor of a sign-in.

use authentication_domain::{
    mfa::SecondFactor, opaque_token::OpaqueToken, passkeys::CeremonyPurpose,
};
use serde_json::Value;

use super::{Passkeys, ceremony::InHands};
use crate::{mfa::VerifySecondFactorError, ports::StoreError};

impl Passkeys {
    /// Begins the second factor of a pending sign-in; replaces one that was begun before. The options name only the
    /// passkeys of the account.
    ///
    /// # Errors
    /// [`VerifySecondFactorError`].
    #[tracing::instrument(skip_all)]
    pub async fn begin_second_factor(
        &self,
        challenge: &OpaqueToken,
    ) -> Result<Value, VerifySecondFactorError> {
        let base = &self.base;
        let pending = base.find_pending_sign_in(challenge).await?;
        if !pending.may_be_proven_with(SecondFactor::WebAuthn) {
            return Err(VerifySecondFactorError::FactorNotAllowed);
        }
        let owner = &pending.owner;
        let passkeys = base.store.list_passkeys(owner.id()).await?;
        let allowed = passkeys
            .iter()
            .map(|record| Ok(base.open_credential(&owner.key, record)?.allowed()))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let begun = base
            .relying_party
            .begin_assertion(&allowed)
            .map_err(StoreError::from)?;
        let of = InHands {
            holder: challenge.digest(),
            purpose: CeremonyPurpose::SecondFactor,
        };
        Ok(base.keep_ceremony(begun, of, Some(owner.id())).await?)
    }
}
