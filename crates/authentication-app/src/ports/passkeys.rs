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

/// A stored passkey. Its personal values are sealed under its owner's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyRecord {
    /// The passkey's id.
    pub id: PasskeyId,
    /// The owner.
    pub account: AccountId,
    /// The digest of the credential id, by which a signature's passkey is found.
    pub digest: CredentialDigest,
    /// The credential: its id, its material, and what its device reported (`passkeys.credential`).
    pub credential: Sealed,
    /// The name that its owner gave it (`passkeys.name`).
    pub name: Option<Sealed>,
    /// Its signature counter, as last reported.
    pub counter: u32,
    /// When it was enrolled.
    pub created_at: OffsetDateTime,
    /// When it last signed its owner in.
    pub last_used_at: Option<OffsetDateTime>,
}

/// A use of a passkey that was accepted.
#[derive(Debug, Clone)]
pub struct PasskeyUse {
    /// The passkey's id.
    pub id: PasskeyId,
    /// The counter on which the use was judged.
    pub read_counter: u32,
    /// The counter after it.
    pub counter: u32,
    /// The credential after the use.
    pub credential: Sealed,
    /// The current time.
    pub at: OffsetDateTime,
}

/// A ceremony to be stored.
#[derive(Debug, Clone)]
pub struct NewCeremony {
    /// The ceremony's id: distinguishes it from other ceremonies of the same holder.
    pub id: Uuid,
    /// Who may finish it.
    pub holder: TokenDigest,
    /// What it is for.
    pub purpose: CeremonyPurpose,
    /// The account it is for, if known. Deleted with the account.
    pub account: Option<AccountId>,
    /// What the relying party needs to judge the answer, sealed for the service.
    pub state: Sealed,
    /// Until when it can be finished.
    pub expires_at: OffsetDateTime,
}

/// Identifies the ceremony that an answer belongs to.
#[derive(Debug, Clone, Copy)]
pub struct CeremonyQuestion {
    /// The holder who answers.
    pub holder: TokenDigest,
    /// What the ceremony is for.
    pub purpose: CeremonyPurpose,
    /// The passkey that claims to answer.
    pub credential: Option<CredentialDigest>,
    /// The device that the request names.
    pub device: Option<DeviceId>,
    /// The current time; an expired ceremony is not found.
    pub now: OffsetDateTime,
}

/// A live ceremony with everything that judging the answer needs.
#[derive(Debug, Clone)]
pub struct CeremonyRecord {
    /// The ceremony's id.
    pub id: Uuid,
    /// The account it was begun for, if known.
    pub account: Option<AccountId>,
    /// The state as it was stored.
    pub state: Sealed,
    /// The passkey that claims to answer, if it exists.
    pub passkey: Option<PasskeyRecord>,
    /// The passkey's owner.
    pub owner: Option<AccountRecord>,
    /// The presented device, if it is one of the owner's.
    pub device: Option<DeviceId>,
    /// Whether consecutive failures are counted for the owner's identifier.
    pub failures_in_a_row: bool,
}

/// Reads outside a unit of work, on the connection pool.
#[async_trait]
pub trait PasskeyQueries: Send + Sync {
    /// The passkeys of an account, oldest first. Their number is small, so there are no pages.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_passkeys(&self, account: AccountId) -> Result<Vec<PasskeyRecord>, StoreError>;

    /// The ceremony that a holder finishes, unless it is over, with the answering passkey and its owner, in one
    /// statement. A ceremony is over when it was begun under an earlier version of its account, or of the passkey's
    /// owner.
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
    /// Inserts a ceremony. It replaces one that its holder began before for the same purpose.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_ceremony(&mut self, ceremony: &NewCeremony) -> Result<(), StoreError>;

    /// Marks the ceremony as used, whatever its result; `false` when it already was, has expired, or its holder
    /// began another one. Among concurrent calls, exactly one gets `true`.
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

    /// Inserts a new passkey.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`super::UniqueRule::Credential`] when any account already has the credential.
    async fn insert(&mut self, passkey: &PasskeyRecord) -> Result<(), StoreError>;

    /// Records a use, if the passkey exists and its counter is still the one on which the use was judged; `false`
    /// otherwise.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn note_use(&mut self, used: &PasskeyUse) -> Result<bool, StoreError>;

    /// Renames a passkey of an account; `false` when the account has none with that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn rename(
        &mut self,
        account: AccountId,
        passkey: PasskeyId,
        name: Option<&Sealed>,
    ) -> Result<bool, StoreError>;

    /// Removes a passkey of an account; `false` when the account has none with that id.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove(&mut self, account: AccountId, passkey: PasskeyId) -> Result<bool, StoreError>;
}
