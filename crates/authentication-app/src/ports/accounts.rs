//! Accounts in the store.

use async_trait::async_trait;
use authentication_domain::{
    accounts::{Account, AccountId, SignUpMethod},
    credentials::PasswordHash,
    mfa::SecondFactors,
    protection::AttemptCounter,
    sessions::DeviceId,
};
use common::money::Money;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{IndexKeys, Sealed, StoreError, Subject, WrappedKey};

/// The wallet balance as the API shows it.
pub type Wallet = Money;

/// An account with everything that its owner may see; personal values stay sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// The unsealed part, on which rules decide.
    pub account: Account,
    /// The person's data key.
    pub wrapped_key: WrappedKey,
    /// The identifier's text, sealed under the data key (`accounts.identifier`).
    pub identifier: Sealed,
    /// The profile as JSON, sealed under the data key (`profiles.document`).
    pub profile: Sealed,
    /// Increases with every change of the profile; guards against lost updates.
    pub profile_version: i64,
    /// The balance.
    pub wallet: Wallet,
    /// Which second factors are set up.
    #[serde(default)]
    pub second_factors: SecondFactors,
}

/// A sign-in attempt: the claimed identifier, and the device that the request names.
#[derive(Debug, Clone, Copy)]
pub struct SignInQuestion<'a> {
    /// Digests of the identifier under every live index key.
    pub identifier: &'a IndexKeys,
    /// The device that the request claims to come from.
    pub device: Option<DeviceId>,
    /// When the identifier is locked for unknown devices at this time, the account is not read: a refused attempt
    /// then costs the same whether or not the account exists.
    pub spared_when_locked_at: Option<OffsetDateTime>,
    /// The account is also not read when the identifier has this many consecutive failures at that time.
    pub most_in_a_row: u32,
}

/// What sign-in needs to know, from one read.
#[derive(Debug, Clone, Default)]
pub struct SignInRecord {
    /// The account that has the identifier, if any.
    pub owner: Option<AccountId>,
    /// The owner's account; `None` also when the read was skipped.
    pub account: Option<AccountRecord>,
    /// The password, if the account has a usable one: not one that is locked until a reset.
    pub password: Option<PasswordHash>,
    /// The channel of the code or link that authorised setting the password, if there was one.
    pub reset_over: Option<SignUpMethod>,
    /// The presented device, if it is one of the account's.
    pub device: Option<DeviceId>,
    /// Until when the device may skip the second factor, if that was enabled.
    pub device_remembered_until: Option<OffsetDateTime>,
    /// Earlier failures from unknown devices.
    pub failures: Option<AttemptCounter>,
    /// Earlier failures from the presented device.
    pub device_failures: Option<AttemptCounter>,
    /// Whether consecutive wrong codes are counted for the identifier, for any purpose.
    pub codes_in_a_row: bool,
}

/// Reads outside a unit of work, on the connection pool.
#[async_trait]
pub trait AccountQueries: Send + Sync {
    /// Everything that sign-in by identifier needs, in one statement. For an unknown identifier, the record holds
    /// only its failures.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sign_in_record(
        &self,
        question: SignInQuestion<'_>,
    ) -> Result<SignInRecord, StoreError>;

    /// The account, and its password if it has a usable one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credentials_of(
        &self,
        account: AccountId,
    ) -> Result<Option<(AccountRecord, Option<PasswordHash>)>, StoreError>;

    /// The account that has the identifier with this digest, under any live key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_by_subject(&self, subject: Subject) -> Result<Option<AccountRecord>, StoreError>;

    /// Whether the identifier with this digest belongs to no account, but is reserved at `now` for a former owner
    /// other than `asking`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_reserved(
        &self,
        subject: Subject,
        asking: Option<AccountId>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// When the account's owner last proved that they read what was sent to the identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn identifier_proven_at(
        &self,
        account: AccountId,
    ) -> Result<Option<OffsetDateTime>, StoreError>;
}

/// A new account with all its dependent rows.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The account and what its owner is shown.
    pub record: AccountRecord,
    /// Digests of the identifier under every live key.
    pub index: IndexKeys,
    /// The password, if registration set one.
    pub password: Option<PasswordHash>,
}

/// The position in the global order of account version changes at the time a token was issued. A token that names
/// no account, or that may be used for one much later, keeps this value to tell whether the account has changed
/// since: a change that committed before is included. No clock is involved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MovesSeen(pub i64);

/// A replacement for the identifier of an account.
#[derive(Debug, Clone, Copy)]
pub struct IdentifierSwap<'a> {
    /// The account.
    pub account: AccountId,
    /// The account version on which the proof was judged.
    pub read_version: i64,
    /// The new identifier's text, sealed under the data key (`accounts.identifier`).
    pub identifier: &'a Sealed,
    /// The kind of the new identifier.
    pub method: SignUpMethod,
    /// Digests of the new identifier under every live key.
    pub index: &'a IndexKeys,
    /// Until when the previous identifier stays reserved for this account; `None` releases it.
    pub reserve_until: Option<OffsetDateTime>,
    /// The current time, at which the new identifier was proven.
    pub now: OffsetDateTime,
}

/// Writes within a unit of work.
///
/// Everything that moves an account to its next version also invalidates, in the same unit, whatever was issued
/// under the previous version and is still unused. Codes and links sent to any identifier of the account (current,
/// former but reserved for it, or about to be set) are deleted, and their cool-downs no longer delay the next
/// request. All other pending proofs are invalid because they predate the change (`Self::moved_since`).
#[async_trait]
pub trait AccountRepository: Send {
    /// Inserts the account, its key, index entries, profile, wallet and password. The time stamps in the record say
    /// when it was created and when its identifier was proven.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`super::UniqueRule::Identifier`] when another account has the identifier, or
    /// when it is reserved for a former owner.
    async fn insert(&mut self, account: &NewAccount) -> Result<(), StoreError>;

    /// Replaces the profile if its version is still `read_version`; `false` otherwise.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn save_profile(
        &mut self,
        account: AccountId,
        read_version: i64,
        profile: &Sealed,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Replaces the identifier and increments the account version, if that is still the one that was read; `false`
    /// otherwise. An identifier that is reserved for this same account may be taken.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`super::UniqueRule::Identifier`] when another account has the new identifier,
    /// or when it is reserved for another account. The unit can then commit nothing.
    async fn change_identifier(&mut self, swap: IdentifierSwap<'_>) -> Result<bool, StoreError>;

    /// Records that the owner proved to have read what was sent to the identifier. Does not change the account
    /// version.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_identifier_proven(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Locks the account's row until the unit ends, on engines with concurrent writers. A unit that changes how an
    /// account is opened takes this lock first, so that a second such unit waits here before it has written
    /// anything that the first one waits for. Only failure counters are locked earlier, because a sign-in locks
    /// them first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn hold(&mut self, account: AccountId) -> Result<(), StoreError>;

    /// Makes the password unusable until a reset and increments the account version, if that is still the one that
    /// was read; `false` otherwise. An account without a password may be locked too.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_password(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Sets or replaces the password and increments the account version, if that is still the one that was read;
    /// `false` otherwise. `reset_over` is the channel of the proof, if the proof was a code or link that was sent.
    /// Undoes [`Self::lock_password`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn set_password(
        &mut self,
        account: AccountId,
        read_version: i64,
        password: &PasswordHash,
        reset_over: Option<SignUpMethod>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Increments the account version if it is still the one that was read; `false` otherwise. Called when the
    /// means of opening the account change: a sign-in that was judged on the earlier version can then begin no
    /// session.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn advance(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Whether the account's version changed after `seen`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn moved_since(
        &mut self,
        account: AccountId,
        seen: MovesSeen,
    ) -> Result<bool, StoreError>;

    /// Replaces an outdated hash by a new hash of the same password, if the stored hash is still the one that was
    /// read. Does not change the account version.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn upgrade_password_hash(
        &mut self,
        account: AccountId,
        read: &PasswordHash,
        next: &PasswordHash,
    ) -> Result<(), StoreError>;
}
