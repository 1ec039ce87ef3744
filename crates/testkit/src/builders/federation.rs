//! Signing in through a provider.

use authentication_app::ports::{
    FederationQuestion, IndexKeys, NewFederatedIdentity, NewFlow, NewNonce, NonceUse,
};
use authentication_domain::{
    accounts::AccountId, federation::FederationRules, opaque_token::TokenDigest,
};
use common::random::bytes;

use super::{RANDOM, sealed, token_digest, uuid_at};
use crate::clock::START;

/// A nonce that was given to no device in particular.
pub fn new_nonce() -> NewNonce {
    NewNonce {
        digest: token_digest(),
        device: None,
        session: None,
        expires_at: START + FederationRules::default().nonce_lifetime,
    }
}

/// A nonce that is brought at [`START`] from nowhere in particular, for nobody who is known.
pub const fn nonce_use(digest: TokenDigest) -> NonceUse {
    NonceUse {
        digest,
        device: None,
        session: None,
        account: None,
        now: START,
    }
}

/// A flow that begins.
pub fn new_flow() -> NewFlow {
    NewFlow {
        state: token_digest(),
        binding: token_digest(),
        payload: sealed(),
        expires_at: START + FederationRules::default().flow_lifetime,
    }
}

/// An identity that nobody has linked.
pub fn new_identity(account: AccountId) -> NewFederatedIdentity {
    NewFederatedIdentity {
        id: uuid_at(START),
        account,
        digest: bytes(&RANDOM),
        identity: sealed(),
        linked_at: START,
    }
}

/// Whoever has this identity and this address.
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
