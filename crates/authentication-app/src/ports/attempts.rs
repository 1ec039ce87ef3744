//! Counters of failed sign-ins and code guesses, and the known devices for which they are kept separately.
//!
//! All are conditional writes in the unit of work that answers the request: an answer is given only if the attempt
//! was counted.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    challenges::{ChallengeRules, CodeFormat, Purpose},
    protection::{AttemptCounter, LockoutRules},
    sessions::{DeviceId, SessionId},
};
use time::{Duration, OffsetDateTime};

use super::{StoreError, Subject};

/// The scope of a failed sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureScope {
    /// The identifier, whether or not an account has it.
    pub subject: Subject,
    /// A known device of the identifier's owner, or `None` for all unknown devices.
    pub device: Option<DeviceId>,
}

/// The scope of a code guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriesScope {
    /// The identifier, whether or not an account has it.
    pub subject: Subject,
    /// What the code is for.
    pub purpose: Purpose,
    /// A known device of the identifier's owner, or `None` for all unknown devices.
    pub device: Option<DeviceId>,
}

/// A code guess to be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// The format of the code that was sent last. Without one, the guess counts as one of six digits.
    pub of: CodeFormat,
    /// Whether the guess was right.
    pub right: bool,
}

/// The counters of a scope after a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedGuess {
    /// Guesses in the current window.
    pub in_window: u32,
    /// Wrong guesses since the last right one, without time limit.
    pub in_a_row: u32,
}

/// Which failures a success clears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleared {
    /// Those of the same scope only: the sign-in is not complete yet.
    Own,
    /// Also the consecutive failures of every scope of the identifier, because the sign-in is complete. Temporary
    /// locks of other scopes stay.
    InARowOfAll,
}

/// Counts failures and guesses.
#[async_trait]
pub trait AttemptLedger: Send {
    /// Counts a failed sign-in by the rule of [`LockoutRules::after_failure`], in one statement. `None` when the
    /// scope is locked at `now` or closed by consecutive failures; nothing is counted then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn record_failure(
        &mut self,
        scope: FailureScope,
        rules: LockoutRules,
        now: OffsetDateTime,
    ) -> Result<Option<AttemptCounter>, StoreError>;

    /// Clears the failures after a success. `false` when the scope is locked at `now` or closed by consecutive
    /// failures; the unit must be dropped then.
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

    /// Clears the consecutive failures of the subjects, of passwords and of codes, on every device. Counters of
    /// time windows stay. Two statements.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_in_a_row(&mut self, subjects: &[Subject]) -> Result<(), StoreError>;

    /// Reopens password sign-in for the subject by clearing its failures on every device, and clears its
    /// consecutive code failures. Two statements.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_subject(&mut self, subject: Subject) -> Result<(), StoreError>;

    /// Clears all counters of an account's identifier, for passwords and codes, on every device and under every
    /// index key.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_account(&mut self, account: AccountId) -> Result<(), StoreError>;

    /// Counts a guess in one statement. Every guess counts in its window; a wrong six-digit guess also adds to the
    /// consecutive failures, and a right guess resets these. `None` when the window is full or too many failures
    /// are consecutive: nothing is counted then, and the guess must not be answered, right or wrong. Neither limit
    /// applies to a long code, so an attacker's guesses cannot block it.
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

    /// Counts one guess if fewer than `most` were made in the `window`, and returns the new count; `None` when the
    /// limit is reached.
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

/// A device as its owner's list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSummary {
    /// The device's id.
    pub device: DeviceId,
    /// When the account first signed in from it.
    pub created_at: OffsetDateTime,
    /// When the account last signed in from it.
    pub last_used_at: OffsetDateTime,
    /// Until when the device may skip the second factor, if that was enabled.
    pub remembered_until: Option<OffsetDateTime>,
}

/// Reads outside a unit of work, on the connection pool.
#[async_trait]
pub trait DeviceQueries: Send + Sync {
    /// The devices of an account, most recently used first, and the device from which `session` was begun.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn list_devices(
        &self,
        account: AccountId,
        session: SessionId,
    ) -> Result<(Vec<DeviceSummary>, Option<DeviceId>), StoreError>;
}

/// Devices from which accounts signed in.
#[async_trait]
pub trait DeviceRepository: Send {
    /// Records the use of a device, and inserts it if it is new. Keeps at most `most` devices and deletes those
    /// that were unused for longest.
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

    /// Lets a device of the account skip the second factor until the given time; `false` when the account has no
    /// such device.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remember_until(
        &mut self,
        account: AccountId,
        device: DeviceId,
        until: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Deletes a device of an account; `false` when the account has no such device.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget(&mut self, account: AccountId, device: DeviceId) -> Result<bool, StoreError>;

    /// Deletes every device of an account, including one of an attacker.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn forget_all(&mut self, account: AccountId) -> Result<(), StoreError>;
}
