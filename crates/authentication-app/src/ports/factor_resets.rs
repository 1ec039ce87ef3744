//! Pending removals of all second factors, for account owners who lost them.
//!
//! An operator requests a reset, and a node notifies the owner. The waiting period begins when that notice has been
//! sent. Calling a reset off deletes it, and so does carrying it out: each step is one conditional write.

use async_trait::async_trait;
use authentication_domain::accounts::AccountId;
use time::OffsetDateTime;

use super::StoreError;

/// A reset that needs action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorReset {
    /// The account whose factors are to be removed.
    pub account: AccountId,
    /// The operator's reason: a ticket number, nothing personal.
    pub reason: String,
    /// Whether the notice to the owner was queued or sent.
    pub announced: bool,
    /// When the waiting period ends; `None` until the notice has been sent.
    pub due_at: Option<OffsetDateTime>,
    /// Whether an operator called it off, with the audit entry still to be written.
    pub called_off: bool,
}

/// Operations on the connection pool.
#[async_trait]
pub trait FactorResetQueries: Send + Sync {
    /// Requests a reset; `false`, with nothing done, when one is already requested or the account does not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ask_for_factor_reset(
        &self,
        account: AccountId,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// The pending reset of an account, if any.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_factor_reset(
        &self,
        account: AccountId,
    ) -> Result<Option<FactorReset>, StoreError>;

    /// Calls a reset off on behalf of an operator, so that it is not carried out; `false` when there is none to
    /// call off.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn withdraw_factor_reset(
        &self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Begins the waiting period of resets whose notice has been sent since: it runs from `now` to `due_at`. It
    /// must not begin earlier, because an owner who was not notified cannot object. Returns the number of resets.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_waits_of_resets(
        &self,
        now: OffsetDateTime,
        due_at: OffsetDateTime,
    ) -> Result<u64, StoreError>;

    /// Up to `most` resets whose owner was not notified yet, whose waiting period is over, or that were called off.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_factor_resets_to_do(
        &self,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Vec<FactorReset>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait FactorResetRepository: Send {
    /// Records that the owner is notified, in the unit that queues the notice, and when the waiting period would
    /// end if the notice left at once; `false` when it was recorded before, or the reset was called off.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn announce(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
        due_at: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Claims a reset whose waiting period is over, to carry it out in this unit; `false` when a concurrent call
    /// claimed it, it was called off, or the period is not over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_due(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Deletes a reset in any state, because the owner reports that they did not request it. `false` when there is
    /// none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn call_off(&mut self, account: AccountId) -> Result<bool, StoreError>;

    /// Deletes a reset that an operator called off, or whose account is closed; `false` when there is none (any
    /// more).
    ///
    /// # Errors
    /// [`StoreError`].
    async fn drop_called_off(&mut self, account: AccountId) -> Result<bool, StoreError>;

    /// Removes every second factor, passkey and recovery code of an account and increments its version, if that is
    /// still the one that was read; `false` otherwise.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove_factors(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;
}
