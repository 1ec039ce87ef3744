//! Field encryption: XChaCha20-Poly1305 with random nonces.
//!
//! ```text
//! field         version ‖ nonce ‖ ciphertext ‖ tag            key: the person's data key
//! data key      version ‖ nonce ‖ ciphertext ‖ tag            key: from a master key, named beside it
//! service value version ‖ length of id ‖ id ‖ nonce ‖ …       key: from the service's data key with that id
//! ```
//!
//! The context of a value is authenticated with it: its table, column and row, the owner of its key, the
//! master key, and its purpose. A ciphertext that is moved elsewhere cannot be decrypted (OWASP ASVS 5.0
//! V11.3). A person's data key has no id: each person has one, and it is wrapped with their account id.
//!
//! The service has a data key like a person, so that no value is encrypted with a master key itself. Changing
//! master keys re-wraps data keys and touches no value, not even those in the append-only audit log.

use std::sync::Arc;

use authentication_app::ports::{
    DataKey, FieldContext, OpenError, Sealed, ServiceKeyRecord, ServicePurpose, Vault, WrappedKey,
};
use authentication_domain::accounts::AccountId;
use aws_lc_rs::hmac;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use common::{SecureRandom, random};
use zeroize::Zeroizing;

use crate::{
    encoding::length_prefixed,
    keys::{KeyRing, Keyed as _, KeysInUse, SecretKey},
};

const VERSION: u8 = 1;
/// The version of service values under a data key. Version 1 is under a master key itself.
const UNDER_DATA_KEY: u8 = 2;
const NONCE_BYTES: usize = 24;

/// The `field_encryption` section of a key ring, prepared for use.
pub(crate) struct MasterKeys {
    current: MasterKey,
    others: Vec<MasterKey>,
    /// Ids of the previous keys.
    replaced: Vec<String>,
}

struct MasterKey {
    id: String,
    wrapping: Zeroizing<[u8; 32]>,
    /// For values that were encrypted by a release without service keys.
    service_values: [Zeroizing<[u8; 32]>; 5],
}

impl MasterKeys {
    pub(crate) fn of(ring: &KeyRing) -> Self {
        let keys = &ring.field_encryption;
        Self {
            current: MasterKey::of(keys.current()),
            others: keys.iter().skip(1).map(MasterKey::of).collect(),
            replaced: keys.previous().map(|key| key.id().to_owned()).collect(),
        }
    }

    fn find(&self, id: &str) -> Result<&MasterKey, OpenError> {
        std::iter::once(&self.current)
            .chain(&self.others)
            .find(|master| master.id == id)
            .ok_or(OpenError)
    }
}

impl MasterKey {
    fn of(key: &SecretKey) -> Self {
        Self {
            id: key.id().to_owned(),
            wrapping: key.derive("data key wrapping"),
            service_values: PURPOSES.map(|purpose| key.derive(label_of(purpose))),
        }
    }

    fn wrap(&self, owner: Owner<'_>, key: &[u8; 32], random: &dyn SecureRandom) -> WrappedKey {
        let context = owner.context(&self.id);
        WrappedKey {
            master_key_id: self.id.clone(),
            bytes: encrypt(random, &self.wrapping, vec![VERSION], &context, key),
        }
    }
}

/// The owner of a data key, which is authenticated with it.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Person(AccountId),
    Service(&'a str),
}

impl Owner<'_> {
    fn context(self, master: &str) -> Vec<u8> {
        match self {
            Self::Person(account) => {
                let account = account.as_uuid();
                length_prefixed(&[b"data key", account.as_bytes(), master.as_bytes()])
            }
            Self::Service(id) => {
                length_prefixed(&[b"service key", id.as_bytes(), master.as_bytes()])
            }
        }
    }
}

fn unwrap(
    masters: &MasterKeys,
    owner: Owner<'_>,
    wrapped: &WrappedKey,
) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    let master = masters.find(&wrapped.master_key_id)?;
    let key = decrypt(
        &master.wrapping,
        &owner.context(&master.id),
        after_version(VERSION, &wrapped.bytes)?,
    )?;
    match <[u8; 32]>::try_from(key.as_slice()) {
        Ok(key) => Ok(Zeroizing::new(key)),
        Err(_) => Err(OpenError),
    }
}

/// The service's own data key, unwrapped. It never changes while the process runs; only its wrapping does.
pub struct ServiceKey {
    id: String,
    purposes: [Zeroizing<[u8; 32]>; 5],
    fingerprints: hmac::Key,
}

impl ServiceKey {
    /// The id of the service's only data key.
    pub const ID: &'static str = "1";

    /// Generates a key. It is stored only if the store has none yet.
    pub fn generate(keys: &KeysInUse, random: &dyn SecureRandom) -> ServiceKeyRecord {
        let mut key = Zeroizing::new([0; 32]);
        random.fill(key.as_mut_slice());
        let keys = keys.load();
        ServiceKeyRecord {
            id: Self::ID.to_owned(),
            wrapped: keys
                .masters
                .current
                .wrap(Owner::Service(Self::ID), &key, random),
        }
    }

    /// Unwraps the key from the store.
    ///
    /// # Errors
    /// [`OpenError`] when the ring cannot unwrap it, which means that the ring belongs to another database.
    pub fn open(keys: &KeysInUse, record: &ServiceKeyRecord) -> Result<Self, OpenError> {
        let owner = Owner::Service(&record.id);
        let key = unwrap(&keys.load().masters, owner, &record.wrapped)?;
        let key = SecretKey::new(record.id.clone(), key);
        Ok(Self {
            id: record.id.clone(),
            purposes: PURPOSES.map(|purpose| key.derive(label_of(purpose))),
            fingerprints: key.derive_mac_key("lasting fingerprint"),
        })
    }
}

/// Encrypts and decrypts values.
pub struct CryptoVault {
    keys: Arc<KeysInUse>,
    service: ServiceKey,
    random: Arc<dyn SecureRandom>,
}

impl CryptoVault {
    /// Creates a vault with the `field_encryption` keys in use and the service's data key.
    pub const fn new(
        keys: Arc<KeysInUse>,
        service: ServiceKey,
        random: Arc<dyn SecureRandom>,
    ) -> Self {
        Self {
            keys,
            service,
            random,
        }
    }

    fn encrypt(&self, key: &[u8; 32], head: Vec<u8>, context: &[u8], plain: &[u8]) -> Vec<u8> {
        encrypt(self.random.as_ref(), key, head, context, plain)
    }

    fn rewrap(&self, owner: Owner<'_>, wrapped: &WrappedKey) -> Result<WrappedKey, OpenError> {
        let keys = self.keys.load();
        let masters = &keys.masters;
        let key = unwrap(masters, owner, wrapped)?;
        Ok(masters.current.wrap(owner, &key, self.random.as_ref()))
    }
}

impl Vault for CryptoVault {
    fn new_data_key(&self, account: AccountId) -> (DataKey, WrappedKey) {
        let mut key = DataKey(Zeroizing::new([0; 32]));
        self.random.fill(key.0.as_mut_slice());
        let keys = self.keys.load();
        let master = &keys.masters.current;
        let wrapped = master.wrap(Owner::Person(account), &key.0, self.random.as_ref());
        (key, wrapped)
    }

    fn unwrap_key(&self, account: AccountId, wrapped: &WrappedKey) -> Result<DataKey, OpenError> {
        let keys = self.keys.load();
        let masters = &keys.masters;
        unwrap(masters, Owner::Person(account), wrapped).map(DataKey)
    }

    fn replaced_master_keys(&self) -> Vec<String> {
        self.keys.load().masters.replaced.clone()
    }

    fn rewrap_key(
        &self,
        account: AccountId,
        wrapped: &WrappedKey,
    ) -> Result<WrappedKey, OpenError> {
        self.rewrap(Owner::Person(account), wrapped)
    }

    fn rewrap_service_key(&self, key: &ServiceKeyRecord) -> Result<WrappedKey, OpenError> {
        self.rewrap(Owner::Service(&key.id), &key.wrapped)
    }

    fn seal(&self, key: &DataKey, context: FieldContext, plain: &[u8]) -> Sealed {
        Sealed(self.encrypt(&key.0, vec![VERSION], &field_context(context), plain))
    }

    fn open(
        &self,
        key: &DataKey,
        context: FieldContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let context = field_context(context);
        decrypt(&key.0, &context, after_version(VERSION, &sealed.0)?)
    }

    fn lasting_fingerprint(&self, bytes: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.service.fingerprints, bytes).as_ref());
        digest
    }

    fn seal_for_service(&self, purpose: ServicePurpose, binding: &[u8], plain: &[u8]) -> Sealed {
        let id = self.service.id.as_bytes();
        // The id is one character long.
        let mut head = vec![UNDER_DATA_KEY, u8::try_from(id.len()).unwrap_or(u8::MAX)];
        head.extend_from_slice(id);
        let key = of_purpose(&self.service.purposes, purpose);
        Sealed(self.encrypt(
            key,
            head,
            &service_context(&self.service.id, binding),
            plain,
        ))
    }

    fn open_for_service(
        &self,
        purpose: ServicePurpose,
        binding: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if let Ok(rest) = after_version(UNDER_DATA_KEY, &sealed.0) {
            let (id, sealed) = after_id(rest)?;
            if id != self.service.id {
                return Err(OpenError);
            }
            let key = of_purpose(&self.service.purposes, purpose);
            return decrypt(key, &service_context(id, binding), sealed);
        }
        let (id, sealed) = after_id(after_version(VERSION, &sealed.0)?)?;
        let keys = self.keys.load();
        let masters = &keys.masters;
        let key = of_purpose(&masters.find(id)?.service_values, purpose);
        decrypt(key, &service_context(id, binding), sealed)
    }
}

/// Writes `nonce ‖ ciphertext ‖ tag` after `head`.
#[expect(
    clippy::expect_used,
    reason = "the cipher refuses only texts of 256 GiB and more"
)]
fn encrypt(
    random: &dyn SecureRandom,
    key: &[u8; 32],
    head: Vec<u8>,
    context: &[u8],
    plain: &[u8],
) -> Vec<u8> {
    let nonce = random::bytes::<NONCE_BYTES>(random);
    let text = Payload {
        msg: plain,
        aad: context,
    };
    let encrypted = XChaCha20Poly1305::new(key.into())
        .encrypt(&XNonce::from(nonce), text)
        .expect("the text is shorter than the cipher's limit");
    let mut sealed = head;
    sealed.reserve_exact(NONCE_BYTES + encrypted.len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&encrypted);
    sealed
}

/// Decrypts `nonce ‖ ciphertext ‖ tag`.
fn decrypt(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, encrypted) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError)?;
    let text = Payload {
        msg: encrypted,
        aad: context,
    };
    XChaCha20Poly1305::new(key.into())
        .decrypt(&XNonce::from(*nonce), text)
        .map(Zeroizing::new)
        .map_err(|_| OpenError)
}

/// Strips the version byte, if it is `version`.
fn after_version(version: u8, sealed: &[u8]) -> Result<&[u8], OpenError> {
    match sealed.split_first() {
        Some((found, rest)) if *found == version => Ok(rest),
        _ => Err(OpenError),
    }
}

/// Strips the key id.
fn after_id(sealed: &[u8]) -> Result<(&str, &[u8]), OpenError> {
    let (&length, rest) = sealed.split_first().ok_or(OpenError)?;
    let (id, rest) = rest.split_at_checked(length.into()).ok_or(OpenError)?;
    Ok((str::from_utf8(id).map_err(|_| OpenError)?, rest))
}

fn field_context(context: FieldContext) -> Vec<u8> {
    length_prefixed(&[
        b"field",
        context.table.as_bytes(),
        context.column.as_bytes(),
        context.row.as_bytes(),
    ])
}

const PURPOSES: [ServicePurpose; 5] = [
    ServicePurpose::PendingRegistration,
    ServicePurpose::AnonymousAudit,
    ServicePurpose::IdempotentAnswer,
    ServicePurpose::PasskeyCeremony,
    ServicePurpose::FederationFlow,
];

const fn label_of(purpose: ServicePurpose) -> &'static str {
    match purpose {
        ServicePurpose::PendingRegistration => "service value: pending registration",
        ServicePurpose::AnonymousAudit => "service value: anonymous audit",
        ServicePurpose::IdempotentAnswer => "service value: idempotent answer",
        ServicePurpose::PasskeyCeremony => "service value: passkey ceremony",
        ServicePurpose::FederationFlow => "service value: federation flow",
    }
}

/// The key for a purpose; the array is in the order of [`PURPOSES`].
const fn of_purpose(
    [registration, audit, answer, ceremony, flow]: &[Zeroizing<[u8; 32]>; 5],
    purpose: ServicePurpose,
) -> &Zeroizing<[u8; 32]> {
    match purpose {
        ServicePurpose::PendingRegistration => registration,
        ServicePurpose::AnonymousAudit => audit,
        ServicePurpose::IdempotentAnswer => answer,
        ServicePurpose::PasskeyCeremony => ceremony,
        ServicePurpose::FederationFlow => flow,
    }
}

fn service_context(key_id: &str, binding: &[u8]) -> Vec<u8> {
    length_prefixed(&[b"service value", binding, key_id.as_bytes()])
}

#[cfg(test)]
mod tests;
