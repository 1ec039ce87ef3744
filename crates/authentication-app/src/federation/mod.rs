//! Sign-in through an identity provider: Google, and others by name.
//!
//! There are two ways to sign in. A client that shows the provider's own button presents the ID token itself, with
//! a nonce issued here. Any other client sends the person to the provider, who returns with a code. Both end in
//! `enter`: a person that the provider vouches for is signed in, or gets an account if the address is unused.
//!
//! An address alone never opens an existing account (`docs/adr/0033`): its owner must first sign in, and then link
//! the identity from within the session.

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

/// The configuration of a provider: its name, the people it admits, and the allowed redirect addresses.
#[derive(Debug, Clone)]
pub struct FederationPolicy {
    /// The name in routes, stores and labels.
    pub name: ProviderName,
    /// The name shown to people, as on a button.
    pub label: String,
    /// The allowed `redirect_uri`s, each to be matched exactly. Without any, there is no code flow.
    pub redirect_uris: Vec<String>,
    /// Which of the provider's claims are believed.
    pub admission: AdmissionRules,
}

/// The use cases for signing in through one identity provider.
#[derive(Clone)]
pub struct Federation {
    pub(crate) base: Arc<Foundation>,
    provider: Arc<dyn IdentityProvider>,
    policy: Arc<FederationPolicy>,
}

impl Federation {
    /// Called once per configured provider, by the composition root.
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

    /// The provider's name in routes, stores and labels.
    pub fn name(&self) -> ProviderName {
        self.policy.name
    }

    /// The provider's name as shown to people.
    pub fn label(&self) -> &str {
        &self.policy.label
    }

    /// Whether the code flow is available, besides presenting an ID token.
    pub fn has_code_flow(&self) -> bool {
        !self.policy.redirect_uris.is_empty()
    }

    fn judge(&self, claims: IdentityClaims) -> Result<ExternalPerson, Untrusted> {
        claims.judge(&self.policy.admission).inspect_err(|why| {
            // Logged like an adapter logs an invalid token.
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

/// The nonce in the claims, if it has the form of one issued here.
fn nonce_of(claims: &IdentityClaims) -> Option<OpaqueToken> {
    claims.nonce.clone().and_then(OpaqueToken::from_client)
}

/// Seals a flow's payload; the random state binds it to its row.
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
