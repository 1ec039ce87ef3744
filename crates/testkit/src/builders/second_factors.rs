//! Second factors and pending sign-ins.

use authentication_app::ports::{NewAccount, NewPendingSignIn};
use authentication_domain::mfa::RecoveryCodeDigest;
use common::{access::AuthenticationMethod, random::bytes};
use time::Duration;

use super::{RANDOM, token_digest};
use crate::clock::START;

/// A pending sign-in of an account, begun with its password, which lives for ten minutes.
pub fn pending_sign_in(owner: &NewAccount) -> NewPendingSignIn {
    NewPendingSignIn {
        digest: token_digest(),
        account: owner.record.account.id,
        account_version: owner.record.account.version,
        subject: owner.index.subject,
        first: AuthenticationMethod::Password,
        came_over: None,
        device: None,
        created_at: START,
        expires_at: START + Duration::minutes(10),
    }
}

/// The stored digest of a recovery code.
pub fn recovery_code() -> RecoveryCodeDigest {
    RecoveryCodeDigest(bytes(&RANDOM))
}
