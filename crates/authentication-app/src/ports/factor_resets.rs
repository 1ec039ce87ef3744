//! Second factors that are to be taken off an account whose owner lost all of them.
//!
//! An operator asks for it; a node tells the owner, and when that has left the waiting time begins. Whoever calls it off
//! deletes it, as does whoever carries it out: each step is one conditional write.

use async_trait::async_trait;
use authentication_domain::accounts::AccountId;
use time::OffsetDateTime;

use super::StoreError;

/// A reset that somebody has to do something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorReset {
    /// Whose factors.
    pub account: AccountId,
    /// Why, in the words of whoever asked: the number of a ticket, nothing personal.
    pub reason: String,
    /// The notice to the owner is on its way, or was.
    pub announced: bool,
    /// When the waiting time is over; `None` while the notice has not left.
    pub due_at: Option<OffsetDateTime>,
    /// An operator called it off, and the trail does not say so yet.
    pub called_off: bool,
}

/// On the pool.
#[async_trait]
pub trait FactorResetQueries: Send + Sync {
    /// Asks for a reset; `false`, and nothing done, when one is asked for already or there is no such account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ask_for_factor_reset(
        &self,
        account: AccountId,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// The reset of an account, if one is asked for.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_factor_reset(
        &self,
        account: AccountId,
    ) -> Result<Option<FactorReset>, StoreError>;

    /// An operator calls a reset off: from here on it is not carried out; `false` when there is none to call off.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn withdraw_factor_reset(
        &self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Where the notice to the owner has left since, the waiting time begins at `now` and is over at `due_at`:
    /// whoever was not told cannot object. How many those are.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_waits_of_resets(
        &self,
        now: OffsetDateTime,
        due_at: OffsetDateTime,
    ) -> Result<u64, StoreError>;

    /// Up to `most` resets of which the owner was not told, whose waiting time is over, or which were called off.
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
    /// Notes that the owner is told, in the unit that queues the notice, and when the waiting time would be over
    /// if the notice left at once; `false` when that was done before, or the reset was called off.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn announce(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
        due_at: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Takes a reset whose time is over, to carry it out in this unit; `false` when somebody else did, it was
    /// called off, or its time is not over.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_due(
        &mut self,
        account: AccountId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Removes a reset, whatever its state: its owner says that it was not them. `false` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn call_off(&mut self, account: AccountId) -> Result<bool, StoreError>;

    /// Removes a reset that an operator called off, or whose account is closed; `false` when there is none such
    /// any more.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn drop_called_off(&mut self, account: AccountId) -> Result<bool, StoreError>;

    /// Takes every second factor and passkey off an account, with its recovery codes, if it still is the version
    /// that was read, and makes it the next version; `false` when it is not.
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
