//! Counters of failures and of guesses, and the devices they are counted apart for.
//!
//! All are conditional writes in the unit of work that answers: an answer that was not counted was never
//! given.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    challenges::{ChallengeRules, CodeFormat, Purpose},
    protection::{AttemptCounter, LockoutRules},
    sessions::{DeviceId, SessionId},
};
use time::{Duration, OffsetDateTime};

use super::{StoreError, Subject};

/// Whose sign-in failures are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureScope {
    /// The identifier, known or not.
    pub subject: Subject,
    /// A known device of its owner, or none.
    pub device: Option<DeviceId>,
}

/// Whose guesses of codes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriesScope {
    /// The identifier, known or not.
    pub subject: Subject,
    /// What the code is for.
    pub purpose: Purpose,
    /// A known device of its owner, or none.
    pub device: Option<DeviceId>,
}

/// A guess of a code, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// Of the code that was sent last; one that nobody sent is counted like six digits.
    pub of: CodeFormat,
    /// Whether it was right.
    pub right: bool,
}

/// Where a guess left its scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedGuess {
    /// Guesses in the window.
    pub in_window: u32,
    /// Wrong guesses since the last right one, over any time.
    pub in_a_row: u32,
}

/// Whose failures a success ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// Those of its own scope: there is more to prove.
    Own,
    /// Failures in a row of every scope of the identifier, too: somebody is signed in. A lock of others holds.
    InARowOfAll,
}

/// Counts failures and guesses.
#[async_trait]
pub trait AttemptLedger: Send {
    /// Counts a failed sign-in by the rule of [`LockoutRules::after_failure`] in one statement.
    /// `None` when the scope is locked at `now`, or closed by failures in a row: then nothing is counted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record_failure(
        &mut self,
        scope: FailureScope,
        rules: LockoutRules,
        now: OffsetDateTime,
    ) -> Result<Option<AttemptCounter>, StoreError>;

    /// Forgets the failures after a success, unless the scope is locked at `now` or closed by failures in a row:
    /// then `false`, and the unit must be dropped.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn clear_failures(
        &mut self,
        scope: FailureScope,
        cleared: Cleared,
        rules: LockoutRules,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Forgets every failure in a row for the subjects, of passwords and of codes, on any device. What is counted
    /// in windows stays. Two statements.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_in_a_row(&mut self, subjects: &[Subject]) -> Result<(), StoreError>;

    /// Opens password sign-in again, whatever was counted for the subject on any device, and forgets the failures
    /// in a row of its codes. Two statements.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_subject(&mut self, subject: Subject) -> Result<(), StoreError>;

    /// Forgets all that was counted for the identifier of an account, passwords and codes, on any device and under
    /// any key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_account(&mut self, account: AccountId) -> Result<(), StoreError>;

    /// Counts a guess in one statement: in its window, and, a wrong one of six digits, in its row; a right one ends
    /// the row. `None` when the window has no room, or the row is full: then nothing is counted, and the guess must
    /// not be answered, right or wrong. A long code is not bounded by either, so that nobody's guesses close it.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_guess(
        &mut self,
        scope: TriesScope,
        guess: Guess,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<Option<CountedGuess>, StoreError>;

    /// Counts one guess if fewer than `most` were made in the `window`; `None` when there were that many,
    /// otherwise how many there are now.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_try(
        &mut self,
        scope: TriesScope,
        most: u32,
        window: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;
}

/// A device in its owner's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSummary {
    /// Which.
    pub device: DeviceId,
    /// When the account first signed in from it.
    pub created_at: OffsetDateTime,
    /// When it last did.
    pub last_used_at: OffsetDateTime,
    /// Until when it skips the second factor, if it was told to.
    pub remembered_until: Option<OffsetDateTime>,
}

/// Reads on the pool.
#[async_trait]
pub trait DeviceQueries: Send + Sync {
    /// The devices of an account, the one used last first; which of them `session` was begun from.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_devices(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<(Vec<DeviceSummary>, Option<DeviceId>), StoreError>;
}

/// Devices that people signed in from.
#[async_trait]
pub trait DeviceRepository: Send {
    /// Notes the use of a device, making it when it is new; keeps at most `most`, forgetting those not
    /// used for longest.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remember(
        &mut self,
        account: AccountId,
        device: DeviceId,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Lets a device of the account skip the second factor until then; `false` when it is not one of its.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remember_until(
        &mut self,
        account: AccountId,
        device: DeviceId,
        until: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Forgets a device of an account; `false` when it has no such device.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget(&mut self, account: AccountId, device: DeviceId) -> Result<bool, StoreError>;

    /// Forgets every device of an account, one of a thief's too.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_all(&mut self, account: AccountId) -> Result<(), StoreError>;
}
