//! Identities at providers, and sign-ins in progress there.

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

/// A nonce to be issued.
#[derive(Debug, Clone, Copy)]
pub struct NewNonce {
    /// The provider for which it is valid.
    pub provider: ProviderName,
    /// The nonce's digest.
    pub digest: TokenDigest,
    /// The device that the request named; the nonce is valid only together with the same device.
    pub device: Option<DeviceId>,
    /// The session to which it was issued; it is valid only there. A nonce without a session can sign in, and
    /// nothing else.
    pub session: Option<SessionId>,
    /// Until when it is valid.
    pub expires_at: OffsetDateTime,
}

/// A nonce that a client presents.
#[derive(Debug, Clone, Copy)]
pub struct NonceUse {
    /// The provider whose token contains it.
    pub provider: ProviderName,
    /// The nonce's digest.
    pub digest: TokenDigest,
    /// The device that the request names.
    pub device: Option<DeviceId>,
    /// The session that presents it.
    pub session: Option<SessionId>,
    /// The account it is used for, if any: a nonce from before the account's last version change is invalid.
    pub account: Option<AccountId>,
    /// The current time.
    pub now: OffsetDateTime,
}

/// A sign-in that a client starts at a provider.
#[derive(Debug, Clone)]
pub struct NewFlow {
    /// The provider.
    pub provider: ProviderName,
    /// Digest of `state`.
    pub state: TokenDigest,
    /// Digest of the binding secret that the client keeps.
    pub binding: TokenDigest,
    /// What the return from the provider needs, sealed for the service.
    pub payload: Sealed,
    /// Until when the client may return.
    pub expires_at: OffsetDateTime,
}

/// What a client returns with from the provider.
#[derive(Debug, Clone, Copy)]
pub struct FlowReturn {
    /// The provider.
    pub provider: ProviderName,
    /// Digest of `state`.
    pub state: TokenDigest,
    /// Digest of the binding secret that the client kept.
    pub binding: TokenDigest,
    /// The current time.
    pub now: OffsetDateTime,
}

/// A flow that was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedFlow {
    /// The payload as it was stored.
    pub payload: Sealed,
    /// The account version changes that had committed when it was begun.
    pub seen: MovesSeen,
}

/// A provider identity that will open an account.
#[derive(Debug, Clone)]
pub struct NewFederatedIdentity {
    /// The row's id.
    pub id: Uuid,
    /// The account it opens.
    pub account: AccountId,
    /// This service's name for the provider.
    pub provider: ProviderName,
    /// Keyed digest of issuer and subject.
    pub digest: [u8; 32],
    /// Issuer and subject as JSON, sealed under the person's key (`federated_identities.identity`).
    pub identity: Sealed,
    /// The current time.
    pub linked_at: OffsetDateTime,
}

/// A sign-in for which a provider vouches.
#[derive(Debug, Clone, Copy)]
pub struct FederationQuestion<'a> {
    /// Keyed digest of issuer and subject.
    pub identity: [u8; 32],
    /// Digests of the mail address under every live index key.
    pub address: &'a IndexKeys,
    /// The device that the request claims to come from.
    pub device: Option<DeviceId>,
    /// The current time.
    pub at: OffsetDateTime,
}

/// What is known about the identity and the address, from one read.
#[derive(Debug, Clone, Default)]
pub struct FederationRecord {
    /// The account that the identity opens, if any.
    pub owner: Option<AccountRecord>,
    /// The account that has the address as its identifier, or a former owner that may still take it back.
    pub address_owner: Option<AccountId>,
    /// The presented device, if it is one of the account's.
    pub device: Option<DeviceId>,
    /// Until when that device may skip the second factor.
    pub device_remembered_until: Option<OffsetDateTime>,
    /// Whether consecutive failures are counted for the account's identifier.
    pub failures_in_a_row: bool,
}

/// A linked identity.
#[derive(Debug, Clone)]
pub struct FederatedIdentityRecord {
    /// The row's id.
    pub id: Uuid,
    /// The provider's name when the identity was linked.
    pub provider: ProviderName,
    /// Keyed digest of issuer and subject.
    pub digest: [u8; 32],
    /// The identity as it was stored.
    pub identity: Sealed,
    /// When it was linked.
    pub linked_at: OffsetDateTime,
}

/// Reads outside a unit of work, on the connection pool.
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

    /// The identities that open an account, sorted by provider name.
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
    /// Inserts a nonce.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_nonce(&mut self, nonce: &NewNonce) -> Result<(), StoreError>;

    /// Uses up a nonce; `false` when it is not this provider's, was used, has expired, was issued to another device
    /// or session, or predates the version of the account. Among concurrent calls, exactly one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_nonce(&mut self, nonce: NonceUse) -> Result<bool, StoreError>;

    /// Inserts a flow.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_flow(&mut self, flow: &NewFlow) -> Result<(), StoreError>;

    /// Uses up a flow and returns its payload; `None` when it is not this provider's, was used, has expired, or
    /// belongs to another client. A wrong binding does not use it up. Among concurrent calls, exactly one gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_flow(&mut self, brought: FlowReturn) -> Result<Option<ClaimedFlow>, StoreError>;

    /// Releases a flow that was claimed at `claimed_at`, because the provider could not be asked.
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
    /// [`StoreError::Conflict`] with [`super::UniqueRule::FederatedIdentity`] when the identity already opens an
    /// account, or when another identity at the same provider opens this account.
    async fn link(&mut self, identity: &NewFederatedIdentity) -> Result<(), StoreError>;

    /// Whether the identity with this digest opens this account. It cannot be unlinked until the unit ends.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn opens(&mut self, identity: [u8; 32], account: AccountId) -> Result<bool, StoreError>;

    /// Unlinks the identity at this provider from an account; `false` when none was linked.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn unlink(
        &mut self,
        account: AccountId,
        provider: ProviderName,
    ) -> Result<bool, StoreError>;
}
