//! Signing in through an identity provider: Google, and others by name.
//!
//! Two ways lead in. A client that shows the provider's own button brings the ID token itself, with a nonce
//! that it got here; one that does not is sent to the provider and comes back with a code. Both end in
//! `enter`: whom the provider vouches for is signed in, or gets an account if nobody has the address.
//!
//! An address alone never opens an account that is there (`docs/adr/0033`): who has one proves that it is
//! theirs, and links the identity from inside.

mod begin;
mod complete;
mod enter;
mod link;
mod linked;
mod once;
mod providers;
mod sealing;
mod sign_in;
mod unlink;
mod unproven;

use std::sync::Arc;

use authentication_domain::{
    accounts::SignUpMethod,
    credentials::CredentialKind,
    federation::{AdmissionRules, ExternalPerson, IdentityClaims, ProviderName, Untrusted},
    opaque_token::OpaqueToken,
};

pub use begin::{BeginFlowError, BegunFlow};
pub use complete::CompleteFlow;
pub use enter::{EnterError, Entered};
pub(crate) use link::in_session;
pub use link::{LinkError, LinkIdentity};
pub use linked::LinkedIdentity;
use once::Once;
pub use providers::{InvalidProviders, Providers};
pub(crate) use sealing::IdentitySealing;
pub use sign_in::SignInWithToken;
pub use unlink::UnlinkError;
pub use unproven::Unproven;

use crate::{
    Foundation,
    ports::{IdentityProvider, Measure, Sealed, SignInMethod, SignInOutcome, StoreError},
};

/// What configuration says of a provider: what it is called, whom it lets in, and where they may come back to.
#[derive(Debug, Clone)]
pub struct FederationPolicy {
    /// In routes, stores and labels.
    pub name: ProviderName,
    /// To people, as on a button.
    pub label: String,
    /// `redirect_uri`s that are allowed, each to the letter. None: there is no code flow.
    pub redirect_uris: Vec<String>,
    /// Whose word is believed.
    pub admission: AdmissionRules,
}

/// The use cases of signing in through one identity provider.
#[derive(Clone)]
pub struct Federation {
    pub(crate) base: Arc<Foundation>,
    provider: Arc<dyn IdentityProvider>,
    policy: Arc<FederationPolicy>,
}

impl Federation {
    /// Built once by the composition root, when a provider is configured.
    pub fn new(
        base: Arc<Foundation>,
        provider: Arc<dyn IdentityProvider>,
        policy: FederationPolicy,
    ) -> Self {
        Self {
            base,
            provider,
            policy: Arc::new(policy),
        }
    }

    /// What the provider is called.
    pub fn name(&self) -> ProviderName {
        self.policy.name
    }

    /// What people know it by.
    pub fn label(&self) -> &str {
        &self.policy.label
    }

    /// Whether people can be sent there, beside bringing an ID token.
    pub fn has_code_flow(&self) -> bool {
        !self.policy.redirect_uris.is_empty()
    }

    fn judge(&self, claims: IdentityClaims) -> Result<ExternalPerson, Untrusted> {
        claims.judge(&self.policy.admission).inspect_err(|why| {
            // As an adapter tells of a token that is not good.
            tracing::info!(
                reason = why.as_str(),
                provider = self.name().as_str(),
                "an ID token does not count"
            );
        })
    }

    fn credential(&self) -> CredentialKind {
        CredentialKind::sign_in_with(self.name())
    }

    fn sign_up_method(&self) -> SignUpMethod {
        if self.name().is_google() {
            SignUpMethod::Google
        } else {
            SignUpMethod::Provider
        }
    }

    fn note_sign_in(&self, outcome: SignInOutcome) {
        let method = if self.name().is_google() {
            SignInMethod::Google
        } else {
            SignInMethod::Provider
        };
        self.base.meter.note(Measure::SignIn(method, outcome));
    }
}

/// The nonce in claims, if it could be one of ours.
fn nonce_of(claims: &IdentityClaims) -> Option<OpaqueToken> {
    claims.nonce.clone().and_then(OpaqueToken::from_client)
}

/// What a client takes to the provider and back: random, and of no other meaning.
fn seal_flow(base: &Foundation, state: &OpaqueToken, payload: &begin::FlowPayload) -> Sealed {
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(payload).unwrap_or_default());
    base.vault
        .seal_for_service(begin::PURPOSE, &state.digest().0, &plain)
}

fn open_flow(
    base: &Foundation,
    state: &OpaqueToken,
    sealed: &Sealed,
) -> Result<begin::FlowPayload, StoreError> {
    let unreadable = || crate::corrupt("federation_flows", "payload");
    let plain = base
        .vault
        .open_for_service(begin::PURPOSE, &state.digest().0, sealed)
        .map_err(|_| unreadable())?;
    serde_json::from_slice(&plain).map_err(|_| unreadable())
}
