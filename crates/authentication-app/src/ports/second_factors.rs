//! Second factors in the store, and sign-ins that wait for one.

use async_trait::async_trait;
use authentication_domain::{
    accounts::{AccountId, SignUpMethod},
    mfa::{RecoveryCodeDigest, TotpSecret, TotpStep},
    opaque_token::TokenDigest,
    sessions::DeviceId,
};
use common::access::AuthenticationMethod;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::{AccountRecord, CodeDispatch, Sealed, StoreError, Subject};

/// A sign-in whose first factor was proven, to be kept until its second one is.
#[derive(Debug, Clone)]
pub struct NewPendingSignIn {
    /// Digest of the challenge id.
    pub digest: TokenDigest,
    /// Whose.
    pub account: AccountId,
    /// The version of the account that the first factor was judged on.
    pub account_version: i64,
    /// Under which guesses and codes of the second factor are kept.
    pub subject: Subject,
    /// What was proven.
    pub first: AuthenticationMethod,
    /// The identifier's kind, if the first factor came over what it reaches.
    pub came_over: Option<SignUpMethod>,
    /// A known device that it comes from.
    pub device: Option<DeviceId>,
    /// When.
    pub created_at: OffsetDateTime,
    /// Until when the second factor can be proven.
    pub expires_at: OffsetDateTime,
}

/// A sign-in that waits for its second factor, with all that proving one needs, read at once.
#[derive(Debug, Clone)]
pub struct PendingSignInRecord {
    /// As it was kept.
    pub sign_in: NewPendingSignIn,
    /// The account as it is now.
    pub owner: AccountRecord,
    /// It was completed.
    pub consumed: bool,
    /// Wrong answers so far.
    pub tries: u32,
    /// Wrong answers to all sign-ins of the account in the current window, from the same known device or from
    /// those that are not known.
    pub tries_in_window: u32,
    /// Wrong codes in a row that were sent as a second factor, counted in the same way.
    pub codes_in_a_row: u32,
    /// Whether failures in a row are counted for the account's identifier, of passwords or of codes for whatever.
    pub failures_in_a_row: bool,
    /// The authenticator app, if there is one.
    pub totp: Option<TotpRecord>,
    /// The newest code that was sent as a second factor, unless it was used.
    pub dispatch: Option<CodeDispatch>,
}

/// What an authenticator app shares with the service, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpRecord {
    /// The secret, under the person's key (`totp_factors.secret`).
    pub secret: Sealed,
    /// The last step that was accepted.
    pub last_step: Option<TotpStep>,
    /// Wrong codes in a row.
    pub failures: u32,
}

/// The authenticator apps of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TotpState {
    /// The one that counts.
    pub active: Option<TotpRecord>,
    /// The secret of one that is being set up, and since when; none that was begun under an earlier version of the
    /// account.
    pub pending: Option<(Sealed, OffsetDateTime)>,
}

/// Reads on the pool.
#[async_trait]
pub trait SecondFactorQueries: Send + Sync {
    /// The sign-in with this digest, in one statement. `window_since` is when guesses begin to count.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn find_pending_sign_in(
        &self,
        digest: TokenDigest,
        window_since: OffsetDateTime,
    ) -> Result<Option<PendingSignInRecord>, StoreError>;

    /// The authenticator apps of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn totp_state(&self, account: AccountId) -> Result<TotpState, StoreError>;
}

/// Writes within a unit of work.
#[async_trait]
pub trait SecondFactorRepository: Send {
    /// Keeps a sign-in until its second factor is proven.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_pending(&mut self, sign_in: &NewPendingSignIn) -> Result<(), StoreError>;

    /// Counts one wrong answer to a live sign-in with fewer than `most`; `None` when it is dead, otherwise
    /// how many there are now.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_pending_try(
        &mut self,
        digest: TokenDigest,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// Marks a live sign-in with tries left as completed; `false` when somebody else did, or it is dead.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn complete_pending(
        &mut self,
        digest: TokenDigest,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Ends every sign-in of an account that still waits.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end_pending(&mut self, account: AccountId) -> Result<(), StoreError>;

    /// Keeps the secret of an authenticator app that is being set up, in the place of an earlier one that
    /// was not confirmed. The one that counts stays.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_totp(
        &mut self,
        account: AccountId,
        secret: &Sealed,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Lets the app count whose secret is still the one that was read, with the step of its first code used;
    /// `false` when another one took its place.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn confirm_totp(
        &mut self,
        account: AccountId,
        read: &Sealed,
        step: TotpStep,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Uses a step up, and forgets the failures; `false` when it or a later one was used, when `most` failures
    /// came before it, or no app counts. Of any number of rivals with one code, one gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_totp_step(
        &mut self,
        account: AccountId,
        step: TotpStep,
        most: u32,
    ) -> Result<bool, StoreError>;

    /// Counts one wrong code of the app that counts; `None` when there is none, otherwise how many in a row.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_totp_failure(&mut self, account: AccountId) -> Result<Option<u32>, StoreError>;

    /// Takes the authenticator apps of an account away; `false` when none counted.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove_totp(&mut self, account: AccountId) -> Result<bool, StoreError>;

    /// Puts a fresh set in the place of whatever recovery codes there were.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_recovery_codes(
        &mut self,
        account: AccountId,
        codes: &[RecoveryCodeDigest],
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Uses a recovery code up; `None` when it is no code of the account or was used, otherwise how many are
    /// left. Of any number of rivals with one code, one gets an answer.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_recovery_code(
        &mut self,
        account: AccountId,
        code: RecoveryCodeDigest,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// A change of second factors is a change of the account: what was judged on an earlier version begins no
    /// session, and no device skips the second factor any more. `false` unless the account still has the
    /// version on which the change was judged; the unit must be dropped then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn factors_changed(
        &mut self,
        account: AccountId,
        read_version: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;
}

/// What a person is shown when they set an authenticator app up.
pub struct TotpEnrolment {
    /// The secret in Base32, to be typed in.
    pub secret: SecretString,
    /// The same as an `otpauth://` URI.
    pub otpauth_uri: SecretString,
    /// The URI as a QR code, an SVG document.
    pub qr_svg: SecretString,
}

/// The arithmetic of RFC 6238. Pure computation.
pub trait TotpCodes: Send + Sync {
    /// The step whose code was typed, of those that count at `now`; the latest, if several have one code.
    /// Takes the same time whichever it is.
    fn matching_step(
        &self,
        secret: &TotpSecret,
        typed: &str,
        now: OffsetDateTime,
    ) -> Option<TotpStep>;

    /// How an authenticator app is told the secret; `label` names the account in it.
    fn enrolment(&self, secret: &TotpSecret, label: &str) -> Option<TotpEnrolment>;
}
