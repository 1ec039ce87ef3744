//! Sign-ins through an OpenID provider.

use authentication_app::ports::{
    FederationQuestion, FlowReturn, IndexKeys, NewFederatedIdentity, NewFlow, NewNonce, NonceUse,
};
use authentication_domain::{
    accounts::AccountId,
    federation::{FederationRules, ProviderName},
    opaque_token::TokenDigest,
};
use common::random::bytes;

use super::{RANDOM, sealed, token_digest, uuid_at};
use crate::clock::START;

/// A nonce that is bound to no device.
pub fn new_nonce() -> NewNonce {
    NewNonce {
        provider: ProviderName::GOOGLE,
        digest: token_digest(),
        device: None,
        session: None,
        expires_at: START + FederationRules::default().nonce_lifetime,
    }
}

/// The use of a nonce at [`START`], without a device, a session or an account.
pub const fn nonce_use(digest: TokenDigest) -> NonceUse {
    NonceUse {
        provider: ProviderName::GOOGLE,
        digest,
        device: None,
        session: None,
        account: None,
        now: START,
    }
}

/// A new flow.
pub fn new_flow() -> NewFlow {
    NewFlow {
        provider: ProviderName::GOOGLE,
        state: token_digest(),
        binding: token_digest(),
        payload: sealed(),
        expires_at: START + FederationRules::default().flow_lifetime,
    }
}

/// The return of the client of this flow at [`START`].
pub const fn flow_return(flow: &NewFlow) -> FlowReturn {
    FlowReturn {
        provider: flow.provider,
        state: flow.state,
        binding: flow.binding,
        now: START,
    }
}

/// An identity that is not linked yet.
pub fn new_identity(account: AccountId) -> NewFederatedIdentity {
    NewFederatedIdentity {
        id: uuid_at(START),
        account,
        provider: ProviderName::GOOGLE,
        digest: bytes(&RANDOM),
        identity: sealed(),
        linked_at: START,
    }
}

/// The question about this identity and this address.
pub const fn federation_question(
    identity: [u8; 32],
    address: &IndexKeys,
) -> FederationQuestion<'_> {
    FederationQuestion {
        identity,
        address,
        device: None,
        at: START,
    }
}
