//! Accounts.

use authentication_app::ports::{
    AccountRecord, IndexEntry, IndexKeys, NewAccount, SignInQuestion, Subject, WrappedKey,
};
use authentication_domain::{
    accounts::{Account, AccountStatus, SignUpMethod},
    credentials::PasswordHash,
    mfa::SecondFactors,
    sessions::DeviceId,
};
use common::{
    access::Role,
    money::{Currency, Money},
    random::bytes,
    timestamps::Timestamps,
};

use super::{RANDOM, id, sealed};
use crate::clock::START;

const CURRENT_INDEX_KEY: &str = "index-1";

/// An active client with an email address.
pub fn account() -> Account {
    Account {
        id: id(),
        sign_up_method: SignUpMethod::Email,
        status: AccountStatus::Active,
        roles: Role::Client.into(),
        version: 1,
        timestamps: Timestamps::new(START),
    }
}

/// A sign-in from `device` that never spares reading the account.
pub const fn sign_in_question(
    identifier: &IndexKeys,
    device: Option<DeviceId>,
) -> SignInQuestion<'_> {
    SignInQuestion {
        identifier,
        device,
        spared_when_locked_at: None,
        most_in_a_row: 100,
    }
}

/// An [`account`] with everything its owner sees.
pub fn account_record() -> AccountRecord {
    AccountRecord {
        account: account(),
        wrapped_key: wrapped_key(),
        identifier: sealed(),
        profile: sealed(),
        profile_version: 1,
        wallet: Money::zero(Currency::NGN),
        second_factors: SecondFactors::default(),
    }
}

/// An [`account_record`] that is not stored yet, with a password.
pub fn new_account() -> NewAccount {
    NewAccount {
        record: account_record(),
        index: index_keys(),
        password: Some(password_hash()),
    }
}

/// A [`new_account`] with the given status.
pub fn new_account_in(status: AccountStatus) -> NewAccount {
    let mut account = new_account();
    account.record.account.status = status;
    account
}

/// A random identifier, under the one live index key.
pub fn index_keys() -> IndexKeys {
    index_keys_under([CURRENT_INDEX_KEY])
}

/// A random identifier during a key change: under the current index key and an older one.
pub fn index_keys_amid_rotation() -> IndexKeys {
    index_keys_under([CURRENT_INDEX_KEY, "index-0"])
}

fn index_keys_under<const N: usize>(keys: [&str; N]) -> IndexKeys {
    let entries = keys.map(index_entry);
    IndexKeys {
        subject: Subject(entries[0].digest),
        earlier_subjects: Vec::new(),
        entries: entries.into(),
    }
}

/// The digest of a random identifier under a key.
pub fn index_entry(key_id: &str) -> IndexEntry {
    IndexEntry {
        key_id: key_id.to_owned(),
        digest: bytes(&RANDOM),
    }
}

/// A random data key under the master key `master-1`.
pub fn wrapped_key() -> WrappedKey {
    WrappedKey {
        master_key_id: "master-1".to_owned(),
        bytes: bytes::<72>(&RANDOM).to_vec(),
    }
}

/// A password hash that no password verifies against.
pub fn password_hash() -> PasswordHash {
    let output = u128::from_be_bytes(bytes(&RANDOM));
    PasswordHash::from_encoded(format!(
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${output:032x}"
    ))
}
