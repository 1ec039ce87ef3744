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

/// The wallet as it is shown.
pub type Wallet = Money;

/// An account with everything that its owner is shown; personal values stay sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// What decisions are made on.
    pub account: Account,
    /// The person's data key.
    pub wrapped_key: WrappedKey,
    /// The identifier's text, under the data key (`accounts.identifier`).
    pub identifier: Sealed,
    /// The profile as JSON, under the data key (`profiles.document`).
    pub profile: Sealed,
    /// Grows with every change of the profile.
    pub profile_version: i64,
    /// The balance.
    pub wallet: Wallet,
    /// Which second factors are set up.
    #[serde(default)]
    pub second_factors: SecondFactors,
}

/// Who says they are whom, from where.
#[derive(Debug, Clone, Copy)]
pub struct SignInQuestion<'a> {
    /// Digests of the identifier.
    pub identifier: &'a IndexKeys,
    /// The device that the request claims to come from.
    pub device: Option<DeviceId>,
    /// At this moment, a lock of the identifier for unknown devices spares reading the account: whoever is
    /// refused unheard costs the same whether or not there is an account.
    pub spared_when_locked_at: Option<OffsetDateTime>,
    /// So many failures in a row spare it at that moment, too.
    pub most_in_a_row: u32,
}

/// What sign-in needs to know, read at once.
#[derive(Debug, Clone, Default)]
pub struct SignInRecord {
    /// Whoever has the identifier, if anybody.
    pub owner: Option<AccountId>,
    /// Their account; `None` also when reading it was spared.
    pub account: Option<AccountRecord>,
    /// Their password, if they have one that may be used: not one that was locked until a reset.
    pub password: Option<PasswordHash>,
    /// The way over which a code or a link came that set the password, if one did.
    pub reset_over: Option<SignUpMethod>,
    /// The presented device, if it is one of the account's.
    pub device: Option<DeviceId>,
    /// Until when it skips the second factor, if it was told to.
    pub device_remembered_until: Option<OffsetDateTime>,
    /// Earlier failures from devices that are not known.
    pub failures: Option<AttemptCounter>,
    /// Earlier failures from the presented device.
    pub device_failures: Option<AttemptCounter>,
    /// Whether wrong codes in a row are counted for the identifier, whatever for.
    pub codes_in_a_row: bool,
}

/// Reads on the pool.
#[async_trait]
pub trait AccountQueries: Send + Sync {
    /// Everything sign-in by identifier needs, in one statement; unknown identifiers give an empty record
    /// (with their failures).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn sign_in_record(
        &self,
        question: SignInQuestion<'_>,
    ) -> Result<SignInRecord, StoreError>;

    /// The account, and its password, if there is one that may be used.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn credentials_of(
        &self,
        account: AccountId,
    ) -> Result<Option<(AccountRecord, Option<PasswordHash>)>, StoreError>;

    /// Whoever has the identifier with this digest under any live key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_by_subject(&self, subject: Subject) -> Result<Option<AccountRecord>, StoreError>;

    /// Whether the identifier with this digest is nobody's, and reserved at `now` for somebody who had it, other
    /// than `asking`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn is_reserved(
        &self,
        subject: Subject,
        asking: Option<AccountId>,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// When something that was sent to the account's identifier was last proven to be read.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn identifier_proven_at(
        &self,
        account: AccountId,
    ) -> Result<Option<OffsetDateTime>, StoreError>;
}

/// A new account with all that belongs to it.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The account and what its owner is shown.
    pub record: AccountRecord,
    /// Digests of the identifier under every live key.
    pub index: IndexKeys,
    /// The password, if registration set one.
    pub password: Option<PasswordHash>,
}

/// How far the order of all moves of accounts was when something was handed out that names no account, or may be
/// used for one much later: a move that was committed before was seen. No clock has a part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MovesSeen(pub i64);

/// Another identifier for an account, in the place of the one it has.
#[derive(Debug, Clone, Copy)]
pub struct IdentifierSwap<'a> {
    /// Whose.
    pub account: AccountId,
    /// The version of the account that the proof was judged on.
    pub read_version: i64,
    /// The new one's text, under the data key (`accounts.identifier`).
    pub identifier: &'a Sealed,
    /// Which kind the account stands on from here on.
    pub method: SignUpMethod,
    /// Digests of the new one under every live key.
    pub index: &'a IndexKeys,
    /// Until when nobody else may have the one before; `None` sets it free.
    pub reserve_until: Option<OffsetDateTime>,
    /// When; the new identifier was proven then.
    pub now: OffsetDateTime,
}

/// Writes within a unit of work.
///
/// Whatever makes an account the next version does away with all that was handed out under the version before and
/// not used yet, in the same unit: codes and links that were sent to any identifier that it has, had and may have
/// again, or is about to have, are gone, and no cool-down of theirs holds up what is asked for next; everything
/// else that is to prove or open something has not seen the move (`Self::moved_since`).
#[async_trait]
pub trait AccountRepository: Send {
    /// Inserts the account, its key, index entries, profile, wallet and password. It was made, and its
    /// identifier proven, when its time stamps say.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`super::UniqueRule::Identifier`] when somebody has the identifier, or
    /// it is reserved for somebody who had it.
    async fn insert(&mut self, account: &NewAccount) -> Result<(), StoreError>;

    /// Replaces the profile if it is still the version that was read; `false` when it is not.
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

    /// Gives the account another identifier if it is still the version that was read, and makes it the next
    /// version; `false` when it is not. An identifier that is reserved for this very account may be taken.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`super::UniqueRule::Identifier`] when somebody else has the new one, or
    /// it is reserved for somebody else; nothing of the unit can be committed then.
    async fn change_identifier(&mut self, swap: IdentifierSwap<'_>) -> Result<bool, StoreError>;

    /// Notes that what was sent to the identifier was read by whoever proved it. Not a change of the account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_identifier_proven(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Locks the account's row until the unit ends, where the engine lets units write side by side. A unit that
    /// changes what opens an account begins with it: the second of two waits there, before it has written anything
    /// that the first one waits for. Counts of failures come before it, as a sign-in locks them first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn hold(&mut self, account: AccountId) -> Result<(), StoreError>;

    /// Makes the password worthless until it is set anew, if the account is still the version that was read,
    /// and makes it the next version; `false` when it is not. An account without a password may be locked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_password(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Sets the password (made or replaced) if the account is still the version that was read, and makes
    /// it the next version; `false` when it is not. `reset_over` is the way over which the proof came, if it
    /// was sent. Opens what [`Self::lock_password`] closed.
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

    /// Makes the account the next version if it is still the one that was read; `false` when it is not. For a
    /// change of what the account is opened with: a sign-in that was judged before begins no session after.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn advance(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Whether the account became another version after `seen`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn moved_since(
        &mut self,
        account: AccountId,
        seen: MovesSeen,
    ) -> Result<bool, StoreError>;

    /// Replaces an outdated hash by one of the same password, if it is still the one that was read.
    /// Not a change of the account.
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
