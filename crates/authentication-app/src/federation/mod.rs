//! Signing in through an identity provider.
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
mod once;
mod sign_in;
mod unlink;
mod unproven;

use std::sync::Arc;

use authentication_domain::{
    federation::{ExternalIdentity, ExternalPerson, IdentityClaims, Untrusted},
    opaque_token::OpaqueToken,
};

pub use begin::{BeginFlowError, BegunFlow};
pub use complete::CompleteFlow;
pub use enter::{EnterError, Entered};
pub(crate) use link::in_session;
pub use link::{LinkError, LinkIdentity};
use once::Once;
pub use sign_in::SignInWithToken;
pub use unlink::UnlinkError;
pub use unproven::Unproven;

use crate::{
    Foundation,
    ports::{FieldContext, IdentityProvider, Sealed, StoreError},
};

/// Whom configuration lets in, and where they may come back to.
#[derive(Debug, Clone, Default)]
pub struct FederationPolicy {
    /// `redirect_uri`s that are allowed, each to the letter. None: there is no code flow.
    pub redirect_uris: Vec<String>,
    /// The organisations whose people are let in (`hd`). None: everybody.
    pub hosted_domains: Vec<String>,
}

/// The use cases of signing in through an identity provider.
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

    fn judge(&self, claims: IdentityClaims) -> Result<ExternalPerson, Untrusted> {
        claims.judge(&self.policy.hosted_domains)
    }
}

impl Foundation {
    /// Under which an identity is found and is unique. It outlives every change of keys, as an identity cannot
    /// be asked for again to be indexed anew.
    pub(crate) fn digest_of(&self, identity: &ExternalIdentity) -> [u8; 32] {
        self.vault.lasting_fingerprint(&identity.index_form())
    }
}

/// Where an identity is kept.
const fn identity_field(row: uuid::Uuid) -> FieldContext {
    FieldContext {
        table: "federated_identities",
        column: "identity",
        row,
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
