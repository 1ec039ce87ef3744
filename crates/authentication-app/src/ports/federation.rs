//! Identities at providers, and sign-ins that are under way there.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    federation::ProviderName,
    opaque_token::TokenDigest,
    sessions::{DeviceId, SessionId},
};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{AccountRecord, IndexKeys, MovesSeen, Sealed, StoreError};

/// A nonce that was handed out.
#[derive(Debug, Clone, Copy)]
pub struct NewNonce {
    /// At which provider it counts.
    pub provider: ProviderName,
    /// Its digest.
    pub digest: TokenDigest,
    /// The device that the request said it came from: the nonce counts with the same word only.
    pub device: Option<DeviceId>,
    /// The session that it was given to: it counts there alone. One of no session signs in, and does nothing else.
    pub session: Option<SessionId>,
    /// Until when it counts.
    pub expires_at: OffsetDateTime,
}

/// A nonce that somebody brings.
#[derive(Debug, Clone, Copy)]
pub struct NonceUse {
    /// Whose token it is in.
    pub provider: ProviderName,
    /// Its digest.
    pub digest: TokenDigest,
    /// The device that the request says it comes from.
    pub device: Option<DeviceId>,
    /// The session in which it is brought.
    pub session: Option<SessionId>,
    /// For which account, if there is one: a nonce from before its last move counts for nothing.
    pub account: Option<AccountId>,
    /// When.
    pub now: OffsetDateTime,
}

/// A sign-in that a client takes to the provider.
#[derive(Debug, Clone)]
pub struct NewFlow {
    /// Where the person is sent.
    pub provider: ProviderName,
    /// Digest of `state`.
    pub state: TokenDigest,
    /// Digest of what the client keeps to itself.
    pub binding: TokenDigest,
    /// What it has to come back to, sealed for the service.
    pub payload: Sealed,
    /// Until when it may come back.
    pub expires_at: OffsetDateTime,
}

/// What somebody came back with.
#[derive(Debug, Clone, Copy)]
pub struct FlowReturn {
    /// From where.
    pub provider: ProviderName,
    /// Digest of `state`.
    pub state: TokenDigest,
    /// Digest of what the client kept to itself.
    pub binding: TokenDigest,
    /// When.
    pub now: OffsetDateTime,
}

/// A flow that somebody came back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedFlow {
    /// As it was kept.
    pub payload: Sealed,
    /// Which moves there were when it was begun.
    pub seen: MovesSeen,
}

/// An identity that opens an account from here on.
#[derive(Debug, Clone)]
pub struct NewFederatedIdentity {
    /// The row.
    pub id: Uuid,
    /// Whose.
    pub account: AccountId,
    /// What the provider is called here.
    pub provider: ProviderName,
    /// Keyed digest of issuer and subject.
    pub digest: [u8; 32],
    /// Issuer and subject as JSON, under the person's key (`federated_identities.identity`).
    pub identity: Sealed,
    /// When.
    pub linked_at: OffsetDateTime,
}

/// Who somebody is whom a provider vouches for.
#[derive(Debug, Clone, Copy)]
pub struct FederationQuestion<'a> {
    /// Keyed digest of issuer and subject.
    pub identity: [u8; 32],
    /// Digests of the address.
    pub address: &'a IndexKeys,
    /// The device that the request claims to come from.
    pub device: Option<DeviceId>,
    /// When.
    pub at: OffsetDateTime,
}

/// What is known of them, read at once.
#[derive(Debug, Clone, Default)]
pub struct FederationRecord {
    /// The account that the identity opens.
    pub owner: Option<AccountRecord>,
    /// Whoever has the address as their identifier, or had it and may still take it back.
    pub address_owner: Option<AccountId>,
    /// The presented device, if it is one of the account's.
    pub device: Option<DeviceId>,
    /// Until when that device skips the second factor.
    pub device_remembered_until: Option<OffsetDateTime>,
    /// Whether failures in a row are counted for the account's identifier.
    pub failures_in_a_row: bool,
}

/// An identity that is linked.
#[derive(Debug, Clone)]
pub struct FederatedIdentityRecord {
    /// The row.
    pub id: Uuid,
    /// What the provider was called when it was linked.
    pub provider: ProviderName,
    /// Keyed digest of issuer and subject.
    pub digest: [u8; 32],
    /// As it was kept.
    pub identity: Sealed,
    /// When it was linked.
    pub linked_at: OffsetDateTime,
}

/// Reads on the pool.
#[async_trait]
pub trait FederationQueries: Send + Sync {
    /// Everything that a sign-in through a provider needs, in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn federation_record(
        &self,
        question: FederationQuestion<'_>,
    ) -> Result<FederationRecord, StoreError>;

    /// The identities that open an account, in the order of their providers' names.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn identities_of(
        &self,
        account: AccountId,
    ) -> Result<Vec<FederatedIdentityRecord>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait FederationRepository: Send {
    /// Keeps a nonce.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_nonce(&mut self, nonce: &NewNonce) -> Result<(), StoreError>;

    /// Uses a nonce up; `false` when it is none of this provider's, was used, expired, was given to another device
    /// or session, or is older than the version of the account. Of any number of rivals one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_nonce(&mut self, nonce: NonceUse) -> Result<bool, StoreError>;

    /// Keeps a flow.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_flow(&mut self, flow: &NewFlow) -> Result<(), StoreError>;

    /// Uses a flow up and gives what it comes back to; `None` when it is none of this provider's, was used,
    /// expired, or belongs to another client. Who brings the wrong binding uses up nothing. Of any number of rivals one
    /// gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_flow(&mut self, brought: FlowReturn) -> Result<Option<ClaimedFlow>, StoreError>;

    /// Gives a flow back that was claimed at `claimed_at`: the provider could not be asked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn release_flow(
        &mut self,
        state: TokenDigest,
        claimed_at: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Links an identity to an account.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with [`super::UniqueRule::FederatedIdentity`] when it opens an account
    /// already, or when another one of the same provider opens this account.
    async fn link(&mut self, identity: &NewFederatedIdentity) -> Result<(), StoreError>;

    /// Whether the identity with this digest opens this account. Nobody takes it away until the unit ends.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn opens(&mut self, identity: [u8; 32], account: AccountId) -> Result<bool, StoreError>;

    /// Takes the identity at this provider away that opens an account; `false` when none did.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unlink(
        &mut self,
        account: AccountId,
        provider: ProviderName,
    ) -> Result<bool, StoreError>;
}
