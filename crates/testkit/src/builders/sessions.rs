//! Sessions.

use authentication_app::ports::NewSession;
use authentication_domain::{accounts::AccountId, sessions::SessionRules};
use common::access::{AuthenticationMethod, Proofs};
use time::OffsetDateTime;

use super::{id, id_at, sealed};
use crate::clock::START;

/// A member's session, begun at [`START`] by password.
pub fn new_session(account: AccountId) -> NewSession {
    new_session_at(account, START)
}

/// A member's session, begun at `created_at` by password.
pub fn new_session_at(account: AccountId, created_at: OffsetDateTime) -> NewSession {
    let limits = SessionRules::default().members;
    NewSession {
        id: id_at(created_at),
        account,
        account_version: 1,
        device: id(),
        refresh_key_id: "refresh-1".to_owned(),
        proofs: Proofs::only(AuthenticationMethod::Password, created_at),
        origin: sealed(),
        created_at,
        idle: limits.idle,
        absolute_deadline: created_at + limits.absolute,
    }
}
