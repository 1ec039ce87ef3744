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

/// A sign-in whose first factor was proven, to be stored until the second one is.
#[derive(Debug, Clone)]
pub struct NewPendingSignIn {
    /// Digest of the challenge id.
    pub digest: TokenDigest,
    /// The account being signed in to.
    pub account: AccountId,
    /// The account version on which the first factor was judged.
    pub account_version: i64,
    /// The subject under which guesses and codes of the second factor are stored.
    pub subject: Subject,
    /// The first factor that was proven.
    pub first: AuthenticationMethod,
    /// The kind of identifier, if the first factor was sent to it.
    pub came_over: Option<SignUpMethod>,
    /// The known device that it comes from, if any.
    pub device: Option<DeviceId>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// Until when the second factor can be proven.
    pub expires_at: OffsetDateTime,
}

/// A sign-in that waits for its second factor, with everything that proving one needs, from one read.
#[derive(Debug, Clone)]
pub struct PendingSignInRecord {
    /// The sign-in as it was stored.
    pub sign_in: NewPendingSignIn,
    /// The account as it is now.
    pub owner: AccountRecord,
    /// Whether it was completed.
    pub consumed: bool,
    /// Wrong answers so far.
    pub tries: u32,
    /// Wrong answers to all sign-ins of the account in the current window: from the same device if it is known,
    /// otherwise from all unknown devices.
    pub tries_in_window: u32,
    /// Consecutive wrong answers to codes that were sent as a second factor, counted over the same devices.
    pub codes_in_a_row: u32,
    /// Whether consecutive failures are counted for the account's identifier, of passwords or of codes for any
    /// purpose.
    pub failures_in_a_row: bool,
    /// The authenticator app, if there is one.
    pub totp: Option<TotpRecord>,
    /// The newest code that was sent as a second factor, unless it was used.
    pub dispatch: Option<CodeDispatch>,
}

/// An authenticator app's shared secret and counters, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpRecord {
    /// The secret, sealed under the person's key (`totp_factors.secret`).
    pub secret: Sealed,
    /// The last time step that was accepted.
    pub last_step: Option<TotpStep>,
    /// Consecutive wrong codes.
    pub failures: u32,
}

/// The authenticator apps of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TotpState {
    /// The active app, if any.
    pub active: Option<TotpRecord>,
    /// The secret of an app that is being set up, and since when. `None` if it was begun under an earlier version
    /// of the account.
    pub pending: Option<(Sealed, OffsetDateTime)>,
}

/// Reads outside a unit of work, on the connection pool.
#[async_trait]
pub trait SecondFactorQueries: Send + Sync {
    /// The sign-in with this digest, in one statement. Guesses are counted from `window_since`.
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
    /// Inserts a sign-in, to wait for its second factor.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn keep_pending(&mut self, sign_in: &NewPendingSignIn) -> Result<(), StoreError>;

    /// Counts one wrong answer to a live sign-in that has fewer than `most`, and returns the new count; `None` when
    /// it is not live.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_pending_try(
        &mut self,
        digest: TokenDigest,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// Marks a live sign-in with tries left as completed; `false` when a concurrent call already did, or it is not
    /// live.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn complete_pending(
        &mut self,
        digest: TokenDigest,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError>;

    /// Ends every pending sign-in of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn end_pending(&mut self, account: AccountId) -> Result<(), StoreError>;

    /// Stores the secret of an authenticator app that is being set up, and replaces an earlier unconfirmed one. The
    /// active app stays.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn begin_totp(
        &mut self,
        account: AccountId,
        secret: &Sealed,
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Activates the app whose secret is still the one that was read, with its first code's step used up; `false`
    /// when another one has replaced it.
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

    /// Uses up a step, and resets the failures; `false` when this or a later step was used, when `most` failures
    /// are already counted, or when there is no active app. Among concurrent calls with the same code, exactly one
    /// gets `true`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_totp_step(
        &mut self,
        account: AccountId,
        step: TotpStep,
        most: u32,
    ) -> Result<bool, StoreError>;

    /// Counts one wrong code of the active app and returns the number of consecutive ones; `None` when there is no
    /// active app.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn count_totp_failure(&mut self, account: AccountId) -> Result<Option<u32>, StoreError>;

    /// Removes the authenticator apps of an account; `false` when none was active.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn remove_totp(&mut self, account: AccountId) -> Result<bool, StoreError>;

    /// Replaces all recovery codes by a new set.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn replace_recovery_codes(
        &mut self,
        account: AccountId,
        codes: &[RecoveryCodeDigest],
        now: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Uses up a recovery code and returns how many are left; `None` when it is not a code of the account, or was
    /// used. Among concurrent calls with the same code, exactly one succeeds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn use_recovery_code(
        &mut self,
        account: AccountId,
        code: RecoveryCodeDigest,
        now: OffsetDateTime,
    ) -> Result<Option<u32>, StoreError>;

    /// Makes a change of second factors a change of the account: a sign-in that was judged on an earlier version
    /// begins no session, and no device skips the second factor any more. `false` when the account no longer has
    /// the version on which the change was judged; the unit must be dropped then.
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

/// What a person is shown when they set up an authenticator app.
pub struct TotpEnrolment {
    /// The secret in Base32, for typing it in.
    pub secret: SecretString,
    /// The same as an `otpauth://` URI.
    pub otpauth_uri: SecretString,
    /// The URI as a QR code, an SVG document.
    pub qr_svg: SecretString,
}

/// The TOTP arithmetic of RFC 6238. Pure computation.
pub trait TotpCodes: Send + Sync {
    /// The time step whose code was typed, among those accepted at `now`; the latest one if several have the same
    /// code. Takes constant time for every step.
    fn matching_step(
        &self,
        secret: &TotpSecret,
        typed: &str,
        now: OffsetDateTime,
    ) -> Option<TotpStep>;

    /// The secret in the forms that an authenticator app can read; `label` names the account in the app.
    fn enrolment(&self, secret: &TotpSecret, label: &str) -> Option<TotpEnrolment>;
}
