//! Passkeys and their ceremonies in the store.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    opaque_token::TokenDigest,
    passkeys::{CeremonyPurpose, CredentialDigest, PasskeyId},
    sessions::DeviceId,
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{AccountRecord, Sealed, StoreError};

/// A passkey as it is kept. What is personal about it is sealed under its owner's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRecord {
    /// Which.
    pub id: PasskeyId,
    /// Whose.
    pub account: AccountId,
    /// Under which a signature finds it.
    pub digest: CredentialDigest,
    /// The credential: its id, its material, what its device told (`passkeys.credential`).
    pub credential: Sealed,
    /// What its owner calls it (`passkeys.name`).
    pub name: Option<Sealed>,
    /// How many signatures it gave, as far as it says.
    pub counter: u32,
    /// When it was enrolled.
    pub created_at: OffsetDateTime,
    /// When it last signed its owner in.
    pub last_used_at: Option<OffsetDateTime>,
}

/// A use of a passkey that was judged good.
#[derive(Debug, Clone)]
pub struct PasskeyUse {
    /// Which.
    pub id: PasskeyId,
    /// The counter that the use was judged on.
    pub read_counter: u32,
    /// The counter after it.
    pub counter: u32,
    /// The credential as the use left it.
    pub credential: Sealed,
    /// When.
    pub at: OffsetDateTime,
}

/// A ceremony to be kept.
#[derive(Debug, Clone)]
pub struct NewCeremony {
    /// Which: another one in the same hands is another one.
    pub id: Uuid,
    /// Who may end it.
    pub holder: TokenDigest,
    /// What for.
    pub purpose: CeremonyPurpose,
    /// For whom, if they are known. It goes with the account.
    pub account: Option<AccountId>,
    /// What the relying party needs to judge the answer, sealed for the service.
    pub state: Sealed,
    /// Until when it can be ended.
    pub expires_at: OffsetDateTime,
}

/// Which ceremony an answer is to.
#[derive(Debug, Clone, Copy)]
pub struct CeremonyQuestion {
    /// Who answers.
    pub holder: TokenDigest,
    /// What for.
    pub purpose: CeremonyPurpose,
    /// Which passkey says that it answers.
    pub credential: Option<CredentialDigest>,
    /// The device that the request claims to come from.
    pub device: Option<DeviceId>,
    /// What expired by now is not found.
    pub now: OffsetDateTime,
}

/// A live ceremony, with all that judging the answer needs.
#[derive(Debug, Clone)]
pub struct CeremonyRecord {
    /// Which.
    pub id: Uuid,
    /// For whom it was begun, if they were known.
    pub account: Option<AccountId>,
    /// As it was kept.
    pub state: Sealed,
    /// The passkey that says that it answers, if there is one.
    pub passkey: Option<PasskeyRecord>,
    /// Whose that is.
    pub owner: Option<AccountRecord>,
    /// The presented device, if it is one of the owner's.
    pub device: Option<DeviceId>,
    /// Whether failures in a row are counted for the owner's identifier.
    pub failures_in_a_row: bool,
}

/// Reads on the pool.
#[async_trait]
pub trait PasskeyQueries: Send + Sync {
    /// The passkeys of an account, oldest first. So few that there are no pages.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_passkeys(&self, account: AccountId) -> Result<Vec<PasskeyRecord>, StoreError>;

    /// The ceremony that somebody ends, unless it is over, with the passkey that answers and its owner, in one
    /// statement. One that was begun under an earlier version of the account that it is about, or of the passkey's
    /// owner, is over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_ceremony(
        &self,
        question: CeremonyQuestion,
    ) -> Result<Option<CeremonyRecord>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait PasskeyRepository: Send {
    /// Keeps a ceremony. One that its holder began before for the same purpose is over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_ceremony(&mut self, ceremony: &NewCeremony) -> Result<(), StoreError>;

    /// Marks the ceremony as used, whatever came of it; `false` when it was, when it expired, or when its
    /// holder began another one. Of any number of rivals one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn consume_ceremony(
        &mut self,
        holder: TokenDigest,
        purpose: CeremonyPurpose,
        id: Uuid,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Keeps a new passkey.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`super::UniqueRule::Credential`] when the credential is anybody's
    /// already.
    async fn insert(&mut self, passkey: &PasskeyRecord) -> Result<(), StoreError>;

    /// Notes a use, if the passkey is there and its counter still is what the use was judged on; `false` when
    /// it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_use(&mut self, used: &PasskeyUse) -> Result<bool, StoreError>;

    /// Names a passkey of an account anew; `false` when it has none of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rename(
        &mut self,
        account: AccountId,
        passkey: PasskeyId,
        name: Option<&Sealed>,
    ) -> Result<bool, StoreError>;

    /// Takes a passkey of an account away; `false` when it has none of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove(&mut self, account: AccountId, passkey: PasskeyId) -> Result<bool, StoreError>;
}
