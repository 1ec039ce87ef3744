//! Recent sign-ins: sensitive operations, which a stolen session must not perform, require a proof that is only
//! minutes old.

use common::access::{MissingProofs, Principal};

use super::Sessions;
use crate::{
    federation::Providers,
    ports::{SessionSnapshot, StoreError},
};

/// The proofs that `POST /auth/reauthenticate` accepts for a missing factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofMethod {
    /// The password: a first factor.
    Password,
    /// An ID token of the identity that opens the account: a first factor.
    IdToken,
    /// A passkey: both factors.
    WebAuthn,
    /// A code of the authenticator app: a second factor.
    Totp,
    /// A recovery code: a second factor.
    RecoveryCode,
}

impl ProofMethod {
    /// The method's name in the HTTP API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::IdToken => "id_token",
            Self::WebAuthn => "webauthn",
            Self::Totp => "totp",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

impl Sessions {
    /// The principal that acts through a session, by this service's policy.
    pub fn principal(&self, snapshot: &SessionSnapshot) -> Principal {
        snapshot.principal(&self.base.rules.second_factors)
    }

    /// The factors that the person must prove again before an operation that needs a recent sign-in: the first one
    /// and, where one is set up, a second one, each within the window. Thus the password alone, or a device that
    /// skips the second factor, can neither add nor remove a credential.
    pub fn missing_for_recent(&self, snapshot: &SessionSnapshot) -> MissingProofs {
        let window = self.base.rules.second_factors.recent_sign_in;
        self.principal(snapshot)
            .missing_for_recent(self.base.clock.now(), window)
    }

    /// The methods by which this person can prove a missing factor; each proves at least one. An identity is
    /// included only if its provider is still configured.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ways_to_prove(
        &self,
        snapshot: &SessionSnapshot,
        missing: MissingProofs,
        providers: &Providers,
    ) -> Result<Vec<ProofMethod>, StoreError> {
        let factors = snapshot.owner.second_factors;
        let mut ways = Vec::new();
        if missing.first && self.has_password(snapshot).await? {
            ways.push(ProofMethod::Password);
        }
        if missing.first && self.has_identity(snapshot, providers).await? {
            ways.push(ProofMethod::IdToken);
        }
        if factors.passkeys && !missing.is_empty() {
            ways.push(ProofMethod::WebAuthn);
        }
        if missing.second && factors.totp {
            ways.push(ProofMethod::Totp);
        }
        if missing.second && factors.recovery_codes {
            ways.push(ProofMethod::RecoveryCode);
        }
        Ok(ways)
    }

    async fn has_password(&self, snapshot: &SessionSnapshot) -> Result<bool, StoreError> {
        let account = snapshot.owner.account.id;
        let found = self.base.store.credentials_of(account).await?;
        Ok(found.is_some_and(|(_, password)| password.is_some()))
    }

    async fn has_identity(
        &self,
        snapshot: &SessionSnapshot,
        providers: &Providers,
    ) -> Result<bool, StoreError> {
        if providers.is_empty() {
            return Ok(false);
        }
        let identities = self
            .base
            .store
            .identities_of(snapshot.owner.account.id)
            .await?;
        Ok(identities
            .iter()
            .any(|it| providers.named(it.provider).is_some()))
    }
}
