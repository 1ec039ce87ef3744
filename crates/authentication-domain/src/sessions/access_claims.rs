//! What an access token says (RFC 9068). Nothing personal.

use common::access::{MethodReferences, Roles};
use time::OffsetDateTime;

use super::SessionId;
use crate::accounts::AccountId;

/// The claims of an access token that differ from token to token; issuer, audience, client and `jti`
/// are the signer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// `sub`
    pub account: AccountId,
    /// `sid`
    pub session: SessionId,
    /// `gen`: the generation of the refresh token that it was made with. One that is older than the session's last
    /// proof counts no more.
    pub generation: u32,
    /// `roles`: for gateways, those that count at what was proven; this service takes roles from the account's state.
    pub roles: Roles,
    /// `amr` and `acr`
    pub references: MethodReferences,
    /// `auth_time`
    pub authenticated_at: OffsetDateTime,
    /// `iat` and `nbf`
    pub issued_at: OffsetDateTime,
    /// `exp`
    pub expires_at: OffsetDateTime,
}
