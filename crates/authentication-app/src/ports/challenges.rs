//! One-time codes in the store.
//!
//! A *challenge* is what a client holds: the right to try the code of one recipient and purpose. The
//! *dispatch* is what the recipient got: there is one current code per recipient and purpose, the newest.
//! Asking for a code looks nobody up, so known and unknown recipients cannot be told apart by it.

use async_trait::async_trait;
use authentication_domain::{
    accounts::AccountId,
    challenges::{ChallengeRules, CodeFormat, CodeNonce, Purpose},
    opaque_token::TokenDigest,
    sessions::DeviceId,
};
use time::OffsetDateTime;

use super::{Channel, IndexEntry, Sealed, StoreError, Subject};

/// A challenge to be kept.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// Digest of the challenge id.
    pub digest: TokenDigest,
    /// Whose code it takes.
    pub subject: Subject,
    /// Every live index key's digest of the recipient, to find the account when the code is proven.
    pub index: Vec<IndexEntry>,
    /// What for.
    pub purpose: Purpose,
    /// How the recipient is reached.
    pub channel: Channel,
    /// The masked recipient and what registration typed, sealed for the service.
    pub payload: Sealed,
    /// From when its lifetime counts.
    pub created_at: OffsetDateTime,
    /// Until when it can be resent and proven.
    pub expires_at: OffsetDateTime,
}

/// A request to send a code now, unless one went out a moment ago.
#[derive(Debug, Clone, Copy)]
pub struct SendRequest {
    /// To whom.
    pub subject: Subject,
    /// What for.
    pub purpose: Purpose,
    /// Names the sending, if it happens.
    pub nonce: CodeNonce,
    /// Digest of the link token of this sending (password reset).
    pub link: Option<TokenDigest>,
    /// When.
    pub now: OffsetDateTime,
}

/// The current sending for a recipient and purpose, after a [`SendRequest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeDispatch {
    /// Names the sending; equal to the request's when a message goes out now.
    pub nonce: CodeNonce,
    /// When it went out.
    pub sent_at: OffsetDateTime,
    /// How long its code is. Decided with the sending, and never changed.
    pub format: CodeFormat,
}

/// Whether a recipient may be sent one more message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaGrant {
    /// Counted.
    Granted,
    /// Nothing counted: the hour's or the day's messages are used up.
    Exhausted {
        /// When the next one may go out.
        retry_at: OffsetDateTime,
    },
}

/// How many guesses were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TriesUsed {
    /// On this challenge.
    pub on_challenge: u32,
    /// On all challenges of the recipient and purpose in the current window, from unknown devices.
    pub in_window: u32,
    /// The same from the presented device, when it is known.
    pub in_window_from_device: u32,
    /// Wrong ones in a row for the recipient and purpose, from unknown devices.
    pub in_a_row: u32,
    /// The same from the presented device, when it is known.
    pub in_a_row_from_device: u32,
}

/// A challenge with all that proving it needs, read at once.
#[derive(Debug, Clone)]
pub struct ChallengeRecord {
    /// Whose code it takes.
    pub subject: Subject,
    /// What for.
    pub purpose: Purpose,
    /// How the recipient is reached.
    pub channel: Channel,
    /// As it was inserted.
    pub payload: Sealed,
    /// Until when it can be proven.
    pub expires_at: OffsetDateTime,
    /// It was proven before.
    pub consumed: bool,
    /// The newest code of the recipient and purpose; `None` once that one was used.
    pub dispatch: Option<CodeDispatch>,
    /// Guesses so far.
    pub tries: TriesUsed,
    /// Whether failures in a row are counted for the recipient, of passwords or of codes for whatever.
    pub failures_in_a_row: bool,
    /// Whoever has the identifier now, if anybody. No more is read of them before the code is right.
    pub owner: Option<AccountId>,
    /// The presented device, if it is one of the account's.
    pub device: Option<DeviceId>,
    /// Until when it skips the second factor, if it was told to.
    pub device_remembered_until: Option<OffsetDateTime>,
}

impl ChallengeRecord {
    /// How long the code is that counts. Where none does, guesses count like those of six digits.
    pub fn format(&self) -> CodeFormat {
        self.dispatch.map(|it| it.format).unwrap_or_default()
    }
}

/// What a mailed link leads to.
#[derive(Debug, Clone)]
pub struct ResetLinkRecord {
    /// Whose.
    pub subject: Subject,
    /// The sending it came with, if not used yet.
    pub dispatch: CodeDispatch,
    /// Whoever has the identifier now, if anybody.
    pub owner: Option<AccountId>,
}

/// A challenge that can still be proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveChallenge {
    /// Whose code it takes.
    pub subject: Subject,
    /// What for.
    pub purpose: Purpose,
    /// How the recipient is reached.
    pub channel: Channel,
    /// As it was inserted.
    pub payload: Sealed,
}

/// Reads on the pool.
#[async_trait]
pub trait ChallengeQueries: Send + Sync {
    /// The challenge with this digest, in one statement. Tries older than
    /// [`ChallengeRules::TRIES_WINDOW`] before `now` are not counted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_challenge(
        &self,
        digest: TokenDigest,
        device: Option<DeviceId>,
        now: OffsetDateTime,
    ) -> Result<Option<ChallengeRecord>, StoreError>;

    /// The sending whose link has this digest, unless it was used or replaced, in one statement.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_reset_link(
        &self,
        link: TokenDigest,
    ) -> Result<Option<ResetLinkRecord>, StoreError>;

    /// The current sending for a recipient and purpose, unless its code was used.
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
    /// Keeps a new challenge.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn insert(&mut self, challenge: &NewChallenge) -> Result<(), StoreError>;

    /// Makes the requested sending the current one unless the current one is younger than
    /// [`ChallengeRules::resend_after`]; answers with whichever is current. One statement.
    /// The cool-down holds whether or not the current code was used. The code is long once so many wrong ones in a
    /// row are counted for the recipient and purpose, from whatever devices.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn request_sending(
        &mut self,
        request: &SendRequest,
        rules: &ChallengeRules,
    ) -> Result<CodeDispatch, StoreError>;

    /// Counts one message to a recipient against the hour and the day, unless they are used up.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_message_quota(
        &mut self,
        subject: Subject,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<QuotaGrant, StoreError>;

    /// Tells what a live challenge is, for a resend, and holds its row until the unit ends; `None` when it
    /// is unknown, expired or proven. Nothing is prolonged: a challenge has one lifetime, and resending
    /// buys no tries.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn lock_live(
        &mut self,
        digest: TokenDigest,
        now: OffsetDateTime,
    ) -> Result<Option<LiveChallenge>, StoreError>;

    /// Counts one guess on a live challenge; `None` when its tries are used up, it expired or was proven,
    /// otherwise how many there are now.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_try(
        &mut self,
        digest: TokenDigest,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// Marks a live challenge with tries left as proven; `false` when somebody else did, or it is dead.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn consume(
        &mut self,
        digest: TokenDigest,
        rules: &ChallengeRules,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// How many wrong guesses were made at a challenge, dead or alive; none at one that there is not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn tries_of(&mut self, digest: TokenDigest) -> Result<u32, StoreError>;

    /// Marks the sending as used if it is the current one and was not; `false` otherwise. Of any number
    /// of rivals with one code, one gets `true`.
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

    /// Marks every current sending to a recipient as used, whatever it was for: no code and no link that is
    /// on its way counts any more.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn void_codes(&mut self, subject: Subject, now: OffsetDateTime)
    -> Result<(), StoreError>;
}
