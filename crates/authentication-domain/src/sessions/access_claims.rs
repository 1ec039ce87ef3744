//! The content of an access token (RFC 9068). It contains no personal data.

use common::access::{MethodReferences, Roles};
use time::OffsetDateTime;

use super::SessionId;
use crate::accounts::AccountId;

/// The claims that differ from token to token. The signer adds issuer, audience, client and `jti`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// `sub`: the account.
    pub account: AccountId,
    /// `sid`: the session.
    pub session: SessionId,
    /// `gen`: the generation of the refresh token that it was issued with. A token older than the session's
    /// last proof is no longer valid.
    pub generation: u32,
    /// `roles`: the roles that are effective with the session's proofs, for gateways. This service reads the
    /// roles from the account's state.
    pub roles: Roles,
    /// `amr` and `acr`: how the person authenticated.
    pub references: MethodReferences,
    /// `auth_time`: when the person authenticated.
    pub authenticated_at: OffsetDateTime,
    /// `iat` and `nbf`: when the token was issued.
    pub issued_at: OffsetDateTime,
    /// `exp`: when the token expires.
    pub expires_at: OffsetDateTime,
}
