//! One-time codes in the store.
//!
//! A *challenge* is the client's right to try the code of one recipient and purpose. A *dispatch* is what the
//! recipient was sent. Each recipient and purpose has one current code: the newest. Requesting a code looks up no
//! account, so it cannot reveal whether the recipient has one.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    challenges::{ChallengeRules, CodeFormat, CodeNonce, Purpose},
    opaque_token::TokenDigest,
    sessions::DeviceId,
};
use time::OffsetDateTime;

use super::{Channel, IndexEntry, Sealed, StoreError, Subject};

/// A challenge to be stored.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// Digest of the challenge id.
    pub digest: TokenDigest,
    /// The recipient whose code it accepts.
    pub subject: Subject,
    /// The recipient's digest under every live index key, to find the account once the code is proven.
    pub index: Vec<IndexEntry>,
    /// What the code is for.
    pub purpose: Purpose,
    /// The channel that reaches the recipient.
    pub channel: Channel,
    /// The masked recipient and the registration form's input, sealed for the service.
    pub payload: Sealed,
    /// When it was created; its lifetime counts from here.
    pub created_at: OffsetDateTime,
    /// Until when the code can be resent and proven.
    pub expires_at: OffsetDateTime,
}

/// A request to send a code now, unless the cool-down of an earlier one applies.
#[derive(Debug, Clone, Copy)]
pub struct SendRequest {
    /// The recipient.
    pub subject: Subject,
    /// What the code is for.
    pub purpose: Purpose,
    /// Identifies the sending, if it happens.
    pub nonce: CodeNonce,
    /// Digest of this sending's link token (password reset only).
    pub link: Option<TokenDigest>,
    /// The current time.
    pub now: OffsetDateTime,
}

/// The current sending of a recipient and purpose, after a [`SendRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeDispatch {
    /// Identifies the sending; equal to the request's nonce when a message goes out now.
    pub nonce: CodeNonce,
    /// When it went out.
    pub sent_at: OffsetDateTime,
    /// The format of the code. Decided with the sending and never changed.
    pub format: CodeFormat,
}

/// Whether one more message may go to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaGrant {
    /// It may, and was counted.
    Granted,
    /// It may not: the hourly or daily quota is used up. Nothing was counted.
    Exhausted {
        /// When the next message may go out.
        retry_at: OffsetDateTime,
    },
}

/// How many guesses were made so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TriesUsed {
    /// On this challenge.
    pub on_challenge: u32,
    /// In the current window, on all challenges of the recipient and purpose, from unknown devices.
    pub in_window: u32,
    /// The same from the presented device, when it is a known one.
    pub in_window_from_device: u32,
    /// Consecutive wrong guesses for the recipient and purpose, from unknown devices.
    pub in_a_row: u32,
    /// The same from the presented device, when it is a known one.
    pub in_a_row_from_device: u32,
}

/// A challenge with everything that proving it needs, from one read.
#[derive(Debug, Clone)]
pub struct ChallengeRecord {
    /// The recipient whose code it accepts.
    pub subject: Subject,
    /// What the code is for.
    pub purpose: Purpose,
    /// The channel that reaches the recipient.
    pub channel: Channel,
    /// The payload as it was inserted.
    pub payload: Sealed,
    /// Until when the code can be proven.
    pub expires_at: OffsetDateTime,
    /// Whether the challenge was already proven.
    pub consumed: bool,
    /// The newest code of the recipient and purpose; `None` once it was used.
    pub dispatch: Option<CodeDispatch>,
    /// Guesses so far.
    pub tries: TriesUsed,
    /// Whether consecutive failures are counted for the recipient, of passwords or of codes for any purpose.
    pub failures_in_a_row: bool,
    /// The account that has the identifier now, if any. Nothing more is read of it before the code is proven.
    pub owner: Option<AccountId>,
    /// The presented device, if it is one of the account's.
    pub device: Option<DeviceId>,
    /// Until when that device may skip the second factor, if that was enabled.
    pub device_remembered_until: Option<OffsetDateTime>,
}

impl ChallengeRecord {
    /// The format of the current code. Without one, guesses count as those of six digits.
    pub fn format(&self) -> CodeFormat {
        self.dispatch.map(|it| it.format).unwrap_or_default()
    }
}

/// The target of a mailed reset link.
#[derive(Debug, Clone)]
pub struct ResetLinkRecord {
    /// The recipient of the mail.
    pub subject: Subject,
    /// The sending that carried the link, if still unused.
    pub dispatch: CodeDispatch,
    /// The account that has the identifier now, if any.
    pub owner: Option<AccountId>,
}

/// A challenge that can still be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveChallenge {
    /// The recipient whose code it accepts.
    pub subject: Subject,
    /// What the code is for.
    pub purpose: Purpose,
    /// The channel that reaches the recipient.
    pub channel: Channel,
    /// The payload as it was inserted.
    pub payload: Sealed,
}

/// Reads outside a unit of work, on the connection pool.
#[async_trait]
pub trait ChallengeQueries: Send + Sync {
    /// The challenge with this digest, in one statement. Tries older than [`ChallengeRules::TRIES_WINDOW`] before
    /// `now` are not counted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_challenge(
        &self,
        digest: TokenDigest,
        device: Option<DeviceId>,
        now: OffsetDateTime,
    ) -> Result<Option<ChallengeRecord>, StoreError>;

    /// The sending whose link has this digest, unless it was used or replaced; in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_reset_link(
        &self,
        link: TokenDigest,
    ) -> Result<Option<ResetLinkRecord>, StoreError>;

    /// The current sending of a recipient and purpose, unless its code was used.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_dispatch(
        &self,
        subject: Subject,
        purpose: Purpose,
    ) -> Result<Option<CodeDispatch>, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait ChallengeRepository: Send {
    /// Inserts a new challenge.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn insert(&mut self, challenge: &NewChallenge) -> Result<(), StoreError>;

    /// Makes the requested sending the current one unless the current one is younger than
    /// [`ChallengeRules::resend_after`]; returns the one that is current then. One statement. The cool-down applies
    /// whether or not the current code was used. The code is long once the recipient and purpose have too many
    /// consecutive wrong guesses, over all devices.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn request_sending(
        &mut self,
        request: &SendRequest,
        rules: &ChallengeRules,
    ) -> Result<CodeDispatch, StoreError>;

    /// Counts one message against the recipient's hourly and daily quotas, unless one is used up.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_message_quota(
        &mut self,
        subject: Subject,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<QuotaGrant, StoreError>;

    /// Reads a live challenge for a resend and locks its row until the unit ends; `None` when it is unknown,
    /// expired or proven. A resend extends nothing: a challenge has one lifetime, and resending grants no extra
    /// tries.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_live(
        &mut self,
        digest: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<LiveChallenge>, StoreError>;

    /// Counts one guess on a live challenge and returns the new count; `None` when no tries are left, or the
    /// challenge expired or was proven.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_try(
        &mut self,
        digest: TokenDigest,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// Marks a live challenge with tries left as proven; `false` when a concurrent request already did, or the
    /// challenge is not live.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn consume(
        &mut self,
        digest: TokenDigest,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// The number of wrong guesses at a challenge, live or not; 0 for an unknown challenge.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tries_of(&mut self, digest: TokenDigest) -> Result<u32, StoreError>;

    /// Marks the sending as used if it is the current one and unused; `false` otherwise. Among concurrent calls
    /// with the same code, exactly one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_code(
        &mut self,
        subject: Subject,
        purpose: Purpose,
        nonce: CodeNonce,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Marks every current sending to a recipient as used, for all purposes: codes and links still on their way
    /// become invalid.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn void_codes(&mut self, subject: Subject, now: OffsetDateTime)
    -> Result<(), StoreError>;
}
