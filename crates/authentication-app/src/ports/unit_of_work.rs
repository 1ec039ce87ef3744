//! One database transaction across many repositories.

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{
    AccountQueries, AccountRepository, AttemptLedger, AuditTrail, ChallengeQueries,
    ChallengeRepository, DeviceQueries, DeviceRepository, EventQueue, FactorResetQueries,
    FactorResetRepository, FederationQueries, FederationRepository, IdempotencyKey,
    IdempotencyLedger, IdempotencyRecord, ImportQueries, ImportRepository, MessageCeilings,
    MessageQueue, NoticeQueries, NoticeRepository, Outbox, ParkedMessages, PasskeyQueries,
    PasskeyRepository, RekeyingQueries, RekeyingRepository, SecondFactorQueries,
    SecondFactorRepository, SessionQueries, SessionRepository, StoreError, TimeStore,
};

/// One database transaction. Dropping it without `commit` rolls it back.
///
/// While it is open, await nothing but the database: database connections are the scarcest resource.
#[async_trait]
pub trait UnitOfWork: Send {
    /// Accounts, their keys, profiles, wallets and passwords.
    fn accounts(&mut self) -> &mut dyn AccountRepository;
    /// One-time codes.
    fn challenges(&mut self) -> &mut dyn ChallengeRepository;
    /// Passkeys and their ceremonies.
    fn passkeys(&mut self) -> &mut dyn PasskeyRepository;
    /// Sessions.
    fn sessions(&mut self) -> &mut dyn SessionRepository;
    /// Second factors, and sign-ins that wait for one.
    fn second_factors(&mut self) -> &mut dyn SecondFactorRepository;
    /// Devices.
    fn devices(&mut self) -> &mut dyn DeviceRepository;
    /// Links in notices.
    fn notices(&mut self) -> &mut dyn NoticeRepository;
    /// Pending removals of second factors.
    fn factor_resets(&mut self) -> &mut dyn FactorResetRepository;
    /// Counters of failures and guesses.
    fn attempts(&mut self) -> &mut dyn AttemptLedger;
    /// The audit log.
    fn audit(&mut self) -> &mut dyn AuditTrail;
    /// Outgoing events and messages.
    fn outbox(&mut self) -> &mut dyn Outbox;
    /// Recorded responses to idempotent requests.
    fn idempotency(&mut self) -> &mut dyn IdempotencyLedger;
    /// Imports from another system.
    fn imports(&mut self) -> &mut dyn ImportRepository;
    /// Provider identities, and sign-ins in progress at providers.
    fn federation(&mut self) -> &mut dyn FederationRepository;
    /// Data keys and index rows, during key rotation.
    fn rekeying(&mut self) -> &mut dyn RekeyingRepository;
    /// Commits all changes atomically.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] also when the outcome of the commit is unknown.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Begins units of work.
#[async_trait]
pub trait UnitOfWorkFactory: Send + Sync {
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection is free in time.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// Maintenance, on the connection pool.
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// The recorded response for a key, unless it has expired.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_idempotency_record(
        &self,
        key: IdempotencyKey,
        now: OffsetDateTime,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Deletes what expired before `now` and has no further use: challenges, sendings, counters, recorded
    /// responses, and sessions that ended thirty days ago. Works in batches; returns the number of deleted rows.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn purge_expired(&self, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// Executes one trivial statement, for the readiness check.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn ping(&self) -> Result<(), StoreError>;
}

/// All ports of the store.
pub trait IdentityStore:
    UnitOfWorkFactory
    + AccountQueries
    + ChallengeQueries
    + SessionQueries
    + SecondFactorQueries
    + DeviceQueries
    + NoticeQueries
    + FactorResetQueries
    + PasskeyQueries
    + ImportQueries
    + FederationQueries
    + MessageQueue
    + EventQueue
    + MessageCeilings
    + ParkedMessages
    + RekeyingQueries
    + Maintenance
    + TimeStore
{
}

impl<T> IdentityStore for T where
    T: UnitOfWorkFactory
        + AccountQueries
        + ChallengeQueries
        + SessionQueries
        + SecondFactorQueries
        + DeviceQueries
        + NoticeQueries
        + FactorResetQueries
        + PasskeyQueries
        + ImportQueries
        + FederationQueries
        + MessageQueue
        + MessageCeilings
        + ParkedMessages
        + EventQueue
        + RekeyingQueries
        + Maintenance
        + TimeStore
{
}
