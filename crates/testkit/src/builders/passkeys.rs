//! Passkeys and their ceremonies.

use authentication_app::ports::{NewCeremony, PasskeyRecord, PasskeyUse};
use authentication_domain::{
    accounts::AccountId,
    passkeys::{CeremonyPurpose, CredentialDigest, PasskeyRules},
};
use common::random::bytes;
use time::{Duration, OffsetDateTime};

use super::{RANDOM, id, sealed, token_digest, uuid_at};
use crate::clock::START;

/// A passkey of an account, enrolled at [`START`] and never used.
pub fn passkey(account: AccountId) -> PasskeyRecord {
    PasskeyRecord {
        id: id(),
        account,
        digest: credential_digest(),
        credential: sealed(),
        name: Some(sealed()),
        counter: 0,
        created_at: START,
        last_used_at: None,
    }
}

/// The next use of a passkey, a minute after [`START`].
pub fn passkey_use(of: &PasskeyRecord) -> PasskeyUse {
    PasskeyUse {
        id: of.id,
        read_counter: of.counter,
        counter: of.counter + 1,
        credential: sealed(),
        at: START + Duration::MINUTE,
    }
}

/// A ceremony without an account, begun at [`START`].
pub fn new_ceremony(purpose: CeremonyPurpose) -> NewCeremony {
    NewCeremony {
        id: uuid_at(START),
        holder: token_digest(),
        purpose,
        account: None,
        state: sealed(),
        expires_at: expiry(),
    }
}

fn expiry() -> OffsetDateTime {
    PasskeyRules::default().expiry(START)
}

/// The digest of a random credential id.
pub fn credential_digest() -> CredentialDigest {
    CredentialDigest(bytes(&RANDOM))
}
