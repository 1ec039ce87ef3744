//! Encryption, blind indexes and macs.
//!
//! Pure computation over keys that the adapter holds. Nothing here waits.

use std::fmt;

use authentication_domain::{
    accounts::{AccountId, Identifier},
    challenges::{CodeFormat, CodeNonce, OneTimeCode, Purpose},
    opaque_token::OpaqueToken,
    sessions::{DeviceId, DeviceToken, RefreshToken, SessionId},
};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::ServiceKeyRecord;

/// The data key of one person, unwrapped. Lives as long as one request.
pub struct DataKey(pub Zeroizing<[u8; 32]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// A data key under the master key, as it is stored. Destroying it erases the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Which master key wraps it.
    pub master_key_id: String,
    /// Ciphertext with its nonce.
    pub bytes: Vec<u8>,
}

/// An encrypted value with its nonce, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub Vec<u8>);

/// Where a value belongs. It is authenticated with the value, so that ciphertexts cannot be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldContext {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// The row.
    pub row: Uuid,
}

/// What a value is sealed for when it belongs to no account (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServicePurpose {
    /// What a person typed at registration, until the code is proven.
    PendingRegistration,
    /// Address and device in audit entries of somebody unknown.
    AnonymousAudit,
    /// Recorded answers of idempotent requests.
    IdempotentAnswer,
    /// What ends a ceremony of WebAuthn, for the minutes in which it can be ended.
    PasskeyCeremony,
    /// What a sign-in that is at a provider has to come back to.
    FederationFlow,
}

/// A ciphertext does not open: foreign hands, another row's value, or a key that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open")]
pub struct OpenError;

/// Encryption of fields (XChaCha20-Poly1305, random nonces, [`FieldContext`] as associated data).
pub trait Vault: Send + Sync {
    /// A fresh data key for a new person, and its wrapped form.
    fn new_data_key(&self, account: AccountId) -> (DataKey, WrappedKey);
    /// # Errors
    /// [`OpenError`] when the wrapped key is not this account's or its master key is gone.
    fn unwrap_key(&self, account: AccountId, wrapped: &WrappedKey) -> Result<DataKey, OpenError>;
    /// Master keys that were current before: what they wrap is to be wrapped anew.
    fn replaced_master_keys(&self) -> Vec<String>;
    /// The same data key under the current master key.
    ///
    /// # Errors
    /// As [`Vault::unwrap_key`].
    fn rewrap_key(&self, account: AccountId, wrapped: &WrappedKey)
    -> Result<WrappedKey, OpenError>;
    /// The same data key of the service under the current master key.
    ///
    /// # Errors
    /// [`OpenError`] when it is another key's, or its master key is gone.
    fn rewrap_service_key(&self, key: &ServiceKeyRecord) -> Result<WrappedKey, OpenError>;
    /// Encrypts a value of a person.
    fn seal(&self, key: &DataKey, context: FieldContext, plain: &[u8]) -> Sealed;
    /// # Errors
    /// [`OpenError`] unless exactly this value was sealed for exactly this context.
    fn open(
        &self,
        key: &DataKey,
        context: FieldContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError>;
    /// A keyed digest that outlives every change of keys, for what is compared years later.
    fn lasting_fingerprint(&self, bytes: &[u8]) -> [u8; 32];
    /// Encrypts a value that belongs to no account; `binding` names its row.
    fn seal_for_service(&self, purpose: ServicePurpose, binding: &[u8], plain: &[u8]) -> Sealed;
    /// # Errors
    /// [`OpenError`] unless exactly this value was sealed for this purpose and binding.
    fn open_for_service(
        &self,
        purpose: ServicePurpose,
        binding: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError>;
}

/// A keyed digest of an identifier under one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexEntry {
    /// Which key.
    pub key_id: String,
    /// HMAC-SHA-256 of the identifier's index form.
    pub digest: [u8; 32],
}

/// The digest under which counters and codes of an identifier are kept, known or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject(pub [u8; 32]);

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.0;
        write!(f, "Subject({first:02x}{second:02x}…)")
    }
}

/// All keyed digests of one identifier: one for each live key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKeys {
    /// Under the current key: where counters and codes are kept, unless something is still counted under
    /// an earlier one (`Foundation::index_keys`).
    pub subject: Subject,
    /// Under the keys that were current before: where counters and codes may still be.
    pub earlier_subjects: Vec<Subject>,
    /// Under every live key, the current one first, the next one second: where an account is looked up.
    pub entries: Vec<IndexEntry>,
}

/// The blind index (HMAC-SHA-256 under keys of its own).
pub trait IdentifierIndex: Send + Sync {
    /// The digests of an identifier.
    fn keys_of(&self, identifier: &Identifier) -> IndexKeys;
    /// Keys under which every account needs a row: the current one, and the next one, which cannot become
    /// current before.
    fn keys_to_fill(&self) -> Vec<String>;
    /// Whether there is more than the current key: one to come, one from before, or one that is gone.
    fn is_changing(&self) -> bool;
    /// Whether no key is next or previous.
    fn is_settled(&self) -> bool;
    /// Keys whose rows are waste.
    fn retired_keys(&self) -> Vec<String>;
    /// The digest under one live key.
    fn entry_under(&self, key_id: &str, identifier: &Identifier) -> Option<IndexEntry>;
}

/// Macs and what follows from them. Comparisons take constant time.
pub trait Macs: Send + Sync {
    /// The id of the key under which new sessions' refresh tokens are made.
    fn current_refresh_key(&self) -> String;
    /// The refresh token of one generation; `None` when the session's key is gone.
    fn refresh_token(
        &self,
        key_id: &str,
        session: SessionId,
        generation: u32,
    ) -> Option<SecretString>;
    /// Whether we made this token.
    fn is_our_refresh_token(&self, token: &RefreshToken) -> bool;
    /// The token of a device of an account.
    fn device_token(&self, device: DeviceId, account: AccountId) -> SecretString;
    /// Whether we gave this token to a device of this account.
    fn is_our_device_token(&self, token: &DeviceToken, account: AccountId) -> bool;
    /// A name for a sending, from random bytes. It tells under which key its code and link are made, so that
    /// a code on its way outlives a change of keys.
    fn code_nonce(&self, random: [u8; 16]) -> CodeNonce;
    /// The code of one sending. The one of the other format tells nothing of it.
    fn code(
        &self,
        nonce: CodeNonce,
        format: CodeFormat,
        purpose: Purpose,
        subject: Subject,
    ) -> OneTimeCode;
    /// The token of the link that a reset mail carries beside the code: 128 bits.
    fn reset_link_token(&self, nonce: CodeNonce, subject: Subject) -> OpaqueToken;
    /// The token of the link in a notice to the owner of an account: 128 bits.
    fn notice_link_token(&self, nonce: CodeNonce, account: AccountId) -> OpaqueToken;
    /// The mac of a cursor: of a place in one list of one owner.
    fn cursor_mac(&self, list: &str, owner: AccountId, place: Uuid) -> [u8; 16];
    /// Whether this is the mac of that cursor, under whichever live key.
    fn is_cursor_mac(&self, list: &str, owner: AccountId, place: Uuid, mac: [u8; 16]) -> bool;
    /// A keyed digest of a request body, to tell whether a repeated request is the same.
    fn fingerprint(&self, bytes: &[u8]) -> [u8; 32];
    /// Whether this is the fingerprint of these bytes, under whichever live key.
    fn is_fingerprint(&self, bytes: &[u8], fingerprint: &[u8; 32]) -> bool;
}
