//! Options for signing in with any passkey. They are the same for everyone, because no identity is claimed yet.

use authentication_domain::{opaque_token::OpaqueToken, passkeys::CeremonyPurpose};
use serde_json::Value;

use super::{Passkeys, ceremony::InHands};
use crate::ports::StoreError;

/// The options of a sign-in, as the page needs them.
#[derive(Debug)]
pub struct SignInOptions {
    /// Presented with the answer.
    pub challenge_id: String,
    /// `PublicKeyCredentialRequestOptionsJSON`.
    pub public_key: Value,
}

impl Passkeys {
    /// Begins a sign-in with a passkey.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(skip_all)]
    pub async fn begin_sign_in(&self) -> Result<SignInOptions, StoreError> {
        let base = &self.base;
        let challenge = OpaqueToken::from_random(base.random_bytes());
        let begun = base.relying_party.begin_assertion(&[])?;
        let of = InHands {
            holder: challenge.digest(),
            purpose: CeremonyPurpose::SignIn,
        };
        let public_key = base.keep_ceremony(begun, of, None).await?;
        Ok(SignInOptions {
            challenge_id: challenge.expose().to_owned(),
            public_key,
        })
    }
}
