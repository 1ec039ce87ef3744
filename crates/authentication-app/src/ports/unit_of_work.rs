//! One database transaction over many repositories.

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

/// One database transaction. Dropping it without `commit` undoes everything.
///
/// While one is open, await nothing but the database: a held connection is the scarcest thing we own.
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
    /// Second factors that are to be taken off.
    fn factor_resets(&mut self) -> &mut dyn FactorResetRepository;
    /// Failures and guesses.
    fn attempts(&mut self) -> &mut dyn AttemptLedger;
    /// The trail.
    fn audit(&mut self) -> &mut dyn AuditTrail;
    /// Events and messages.
    fn outbox(&mut self) -> &mut dyn Outbox;
    /// Recorded answers.
    fn idempotency(&mut self) -> &mut dyn IdempotencyLedger;
    /// People from another system.
    fn imports(&mut self) -> &mut dyn ImportRepository;
    /// Identities at providers, and sign-ins that are under way there.
    fn federation(&mut self) -> &mut dyn FederationRepository;
    /// Data keys and index rows, while keys change.
    fn rekeying(&mut self) -> &mut dyn RekeyingRepository;
    /// Makes it all true at once.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it is not known whether it became true.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// Begins units of work.
#[async_trait]
pub trait UnitOfWorkFactory: Send + Sync {
    /// # Errors
    /// [`StoreError::Unavailable`] when no connection is free in time.
    async fn begin(&self) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// Upkeep, on the pool.
#[async_trait]
pub trait Maintenance: Send + Sync {
    /// The recorded answer for a key, unless expired.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_idempotency_record(
        &self,
        key: IdempotencyKey,
        now: OffsetDateTime,
    ) -> Result<Option<IdempotencyRecord>, StoreError>;

    /// Deletes what expired before `now` and serves nobody: challenges, sendings, counters, recorded
    /// answers, sessions ended for thirty days. In batches; answers with how many rows went.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn purge_expired(&self, now: OffsetDateTime) -> Result<u64, StoreError>;

    /// One trivial statement, for readiness.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    async fn ping(&self) -> Result<(), StoreError>;
}

/// The whole store.
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
