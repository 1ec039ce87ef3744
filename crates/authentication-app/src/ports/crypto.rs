//! Encryption, blind indexes and message authentication codes (MACs).
//!
//! Pure computation over keys that the adapter holds; nothing here waits.

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

/// The unwrapped data key of one person. Lives no longer than one request.
pub struct DataKey(pub Zeroizing<[u8; 32]>);

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// A data key wrapped under the master key, as stored. Destroying it erases the person's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// The id of the master key that wraps it.
    pub master_key_id: String,
    /// Ciphertext with its nonce.
    pub bytes: Vec<u8>,
}

/// An encrypted value with its nonce, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub Vec<u8>);

/// The location of a sealed value. It is authenticated with the value, so a ciphertext cannot be moved elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldContext {
    /// The table's name.
    pub table: &'static str,
    /// The column's name.
    pub column: &'static str,
    /// The row's id.
    pub row: Uuid,
}

/// The purpose of a value that is sealed for the service because it belongs to no account (yet).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServicePurpose {
    /// The registration form's input, until the code is proven.
    PendingRegistration,
    /// Address and device in audit entries of an unknown person.
    AnonymousAudit,
    /// Recorded responses to idempotent requests.
    IdempotentAnswer,
    /// The state of a WebAuthn ceremony, for the minutes until it must be finished.
    PasskeyCeremony,
    /// The state of a sign-in that waits for the return from a provider.
    FederationFlow,
}

/// A ciphertext does not open: it was tampered with, belongs to another row, or its key is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open")]
pub struct OpenError;

/// Encryption of fields (XChaCha20-Poly1305, random nonces, [`FieldContext`] as associated data).
pub trait Vault: Send + Sync {
    /// Creates a data key for a new person; returns it plain and wrapped.
    fn new_data_key(&self, account: AccountId) -> (DataKey, WrappedKey);
    /// # Errors
    /// [`OpenError`] when the wrapped key is not this account's or its master key is gone.
    fn unwrap_key(&self, account: AccountId, wrapped: &WrappedKey) -> Result<DataKey, OpenError>;
    /// Master keys that were current earlier: data keys wrapped under them must be rewrapped.
    fn replaced_master_keys(&self) -> Vec<String>;
    /// Rewraps the same data key under the current master key.
    ///
    /// # Errors
    /// As [`Vault::unwrap_key`].
    fn rewrap_key(&self, account: AccountId, wrapped: &WrappedKey)
    -> Result<WrappedKey, OpenError>;
    /// Rewraps the service's data key under the current master key.
    ///
    /// # Errors
    /// [`OpenError`] when the wrapped key is not this service key, or its master key is gone.
    fn rewrap_service_key(&self, key: &ServiceKeyRecord) -> Result<WrappedKey, OpenError>;
    /// Encrypts a person's value.
    fn seal(&self, key: &DataKey, context: FieldContext, plain: &[u8]) -> Sealed;
    /// # Errors
    /// [`OpenError`] unless exactly this value was sealed for exactly this context.
    fn open(
        &self,
        key: &DataKey,
        context: FieldContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError>;
    /// A keyed digest that survives every key rotation, for values that are compared years later.
    fn lasting_fingerprint(&self, bytes: &[u8]) -> [u8; 32];
    /// Encrypts a value that belongs to no account; `binding` identifies its row.
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
    /// The id of that key.
    pub key_id: String,
    /// HMAC-SHA-256 of the identifier's index form.
    pub digest: [u8; 32],
}

/// The digest under which counters and codes of an identifier are stored, whether or not an account has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject(pub [u8; 32]);

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, ..] = self.0;
        write!(f, "Subject({first:02x}{second:02x}…)")
    }
}

/// All keyed digests of one identifier, one for each live key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKeys {
    /// Under the current key: where counters and codes are stored, unless something is still counted under an
    /// earlier key (`Foundation::index_keys`).
    pub subject: Subject,
    /// Under the previous keys, where counters and codes may still be stored.
    pub earlier_subjects: Vec<Subject>,
    /// Under every live key, the current one first and the next one second; used to look up an account.
    pub entries: Vec<IndexEntry>,
}

/// The blind index (HMAC-SHA-256 under dedicated keys).
pub trait IdentifierIndex: Send + Sync {
    /// The digests of an identifier.
    fn keys_of(&self, identifier: &Identifier) -> IndexKeys;
    /// Ids of the keys under which every account needs a row: the current one, and the next one, which cannot
    /// become current before its rows are complete.
    fn keys_to_fill(&self) -> Vec<String>;
    /// Whether there are keys besides the current one: a next, a previous or a retired one.
    fn is_changing(&self) -> bool;
    /// Whether there is neither a next nor a previous key.
    fn is_settled(&self) -> bool;
    /// Ids of retired keys, whose rows can be deleted.
    fn retired_keys(&self) -> Vec<String>;
    /// The digest under one live key; `None` when there is no such key.
    fn entry_under(&self, key_id: &str, identifier: &Identifier) -> Option<IndexEntry>;
}

/// MACs and the values derived from them. Comparisons take constant time.
pub trait Macs: Send + Sync {
    /// The id of the key for the refresh tokens of new sessions.
    fn current_refresh_key(&self) -> String;
    /// The refresh token of one generation; `None` when the session's key is gone.
    fn refresh_token(
        &self,
        key_id: &str,
        session: SessionId,
        generation: u32,
    ) -> Option<SecretString>;
    /// Whether this service made the token.
    fn is_our_refresh_token(&self, token: &RefreshToken) -> bool;
    /// The device token for this device and account.
    fn device_token(&self, device: DeviceId, account: AccountId) -> SecretString;
    /// Whether this service issued the token to a device of this account.
    fn is_our_device_token(&self, token: &DeviceToken, account: AccountId) -> bool;
    /// Makes the nonce of a sending from random bytes. It records the key of its code and link, so that a code in
    /// transit survives a key rotation.
    fn code_nonce(&self, random: [u8; 16]) -> CodeNonce;
    /// The code of one sending. The codes of the two formats reveal nothing about each other.
    fn code(
        &self,
        nonce: CodeNonce,
        format: CodeFormat,
        purpose: Purpose,
        subject: Subject,
    ) -> OneTimeCode;
    /// The token of the link in a password reset mail: 128 bits.
    fn reset_link_token(&self, nonce: CodeNonce, subject: Subject) -> OpaqueToken;
    /// The token of the link in a notice to the account's owner: 128 bits.
    fn notice_link_token(&self, nonce: CodeNonce, account: AccountId) -> OpaqueToken;
    /// The MAC of a pagination cursor: a place in one list of one owner.
    fn cursor_mac(&self, list: &str, owner: AccountId, place: Uuid) -> [u8; 16];
    /// Whether this is the MAC of that cursor, under any live key.
    fn is_cursor_mac(&self, list: &str, owner: AccountId, place: Uuid, mac: [u8; 16]) -> bool;
    /// A keyed digest of a request body, to detect whether a repeated request is the same.
    fn fingerprint(&self, bytes: &[u8]) -> [u8; 32];
    /// Whether this is the fingerprint of these bytes, under any live key.
    fn is_fingerprint(&self, bytes: &[u8], fingerprint: &[u8; 32]) -> bool;
}
