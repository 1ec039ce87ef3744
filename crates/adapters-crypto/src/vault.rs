//! Field encryption: XChaCha20-Poly1305 with random nonces.
//!
//! ```text
//! field         version ‖ nonce ‖ ciphertext ‖ tag            key: the person's data key
//! data key      version ‖ nonce ‖ ciphertext ‖ tag            key: from a master key, named beside it
//! service value version ‖ length of id ‖ id ‖ nonce ‖ …       key: from the master key with that id
//! ```
//!
//! What surrounds a value is authenticated with it: which table, column and row, whose key, under which
//! master key, for which purpose. A ciphertext that is moved does not open (OWASP ASVS 5.0 V11.3). A data
//! key has no id of its own: a person has one, and it is wrapped with theirs.

use std::sync::Arc;

use authentication_app::ports::{
    DataKey, FieldContext, OpenError, Sealed, ServicePurpose, Vault, WrappedKey,
};
use authentication_domain::accounts::AccountId;
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use common::{SecureRandom, random};
use zeroize::Zeroizing;

use crate::{
    encoding::length_prefixed,
    keys::{KeyRing, Keyed as _, SecretKey},
};

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// Seals and opens values under the master keys of a ring.
pub struct CryptoVault {
    ring: Arc<KeyRing>,
    random: Arc<dyn SecureRandom>,
}

impl CryptoVault {
    /// A vault over `field_encryption` of the ring.
    pub const fn new(ring: Arc<KeyRing>, random: Arc<dyn SecureRandom>) -> Self {
        Self { ring, random }
    }

    /// `nonce ‖ ciphertext ‖ tag`, after `head`.
    #[expect(
        clippy::expect_used,
        reason = "the cipher refuses only texts of 256 GiB and more"
    )]
    fn encrypt(&self, key: &[u8; 32], head: Vec<u8>, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce = random::bytes::<NONCE_BYTES>(self.random.as_ref());
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
}

impl Vault for CryptoVault {
    fn new_data_key(&self, account: AccountId) -> (DataKey, WrappedKey) {
        let mut key = DataKey(Zeroizing::new([0; 32]));
        self.random.fill(key.0.as_mut_slice());
        let master = self.ring.field_encryption.current();
        let bytes = self.encrypt(
            &wrapping_key(master),
            vec![VERSION],
            &wrapping_context(master, account),
            key.0.as_slice(),
        );
        let wrapped = WrappedKey {
            master_key_id: master.id().to_owned(),
            bytes,
        };
        (key, wrapped)
    }

    fn unwrap_key(&self, account: AccountId, wrapped: &WrappedKey) -> Result<DataKey, OpenError> {
        let masters = &self.ring.field_encryption;
        let master = masters.find(&wrapped.master_key_id).ok_or(OpenError)?;
        let key = decrypt(
            &wrapping_key(master),
            &wrapping_context(master, account),
            unversioned(&wrapped.bytes)?,
        )?;
        match <[u8; 32]>::try_from(key.as_slice()) {
            Ok(key) => Ok(DataKey(Zeroizing::new(key))),
            Err(_) => Err(OpenError),
        }
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
        decrypt(&key.0, &field_context(context), unversioned(&sealed.0)?)
    }

    fn seal_for_service(&self, purpose: ServicePurpose, binding: &[u8], plain: &[u8]) -> Sealed {
        let master = self.ring.field_encryption.current();
        let id = master.id().as_bytes();
        // Ids have at most 32 bytes, see the key ring's document.
        let mut head = vec![VERSION, u8::try_from(id.len()).unwrap_or(u8::MAX)];
        head.extend_from_slice(id);
        let key = service_key(master, purpose);
        Sealed(self.encrypt(&key, head, &service_context(master, binding), plain))
    }

    fn open_for_service(
        &self,
        purpose: ServicePurpose,
        binding: &[u8],
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (&length, rest) = unversioned(&sealed.0)?.split_first().ok_or(OpenError)?;
        let (id, sealed) = rest.split_at_checked(length.into()).ok_or(OpenError)?;
        let id = str::from_utf8(id).map_err(|_| OpenError)?;
        let master = self.ring.field_encryption.find(id).ok_or(OpenError)?;
        let key = service_key(master, purpose);
        decrypt(&key, &service_context(master, binding), sealed)
    }
}

/// Opens `nonce ‖ ciphertext ‖ tag`.
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

/// Takes the version off.
fn unversioned(sealed: &[u8]) -> Result<&[u8], OpenError> {
    match sealed.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        _ => Err(OpenError),
    }
}

fn wrapping_key(master: &SecretKey) -> Zeroizing<[u8; 32]> {
    master.derive("data key wrapping")
}

fn wrapping_context(master: &SecretKey, account: AccountId) -> Vec<u8> {
    let account = account.as_uuid();
    length_prefixed(&[b"data key", account.as_bytes(), master.id().as_bytes()])
}

fn field_context(context: FieldContext) -> Vec<u8> {
    length_prefixed(&[
        b"field",
        context.table.as_bytes(),
        context.column.as_bytes(),
        context.row.as_bytes(),
    ])
}

fn service_key(master: &SecretKey, purpose: ServicePurpose) -> Zeroizing<[u8; 32]> {
    master.derive(match purpose {
        ServicePurpose::PendingRegistration => "service value: pending registration",
        ServicePurpose::AnonymousAudit => "service value: anonymous audit",
        ServicePurpose::IdempotentAnswer => "service value: idempotent answer",
    })
}

fn service_context(master: &SecretKey, binding: &[u8]) -> Vec<u8> {
    length_prefixed(&[b"service value", binding, master.id().as_bytes()])
}

#[cfg(test)]
mod tests {
    use common::Id;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::test_support::{random, ring, rotated};

    const ADA: FieldContext = FieldContext {
        table: "accounts",
        column: "identifier",
        row: Uuid::from_u128(1),
    };

    fn vault() -> CryptoVault {
        CryptoVault::new(ring(1), random())
    }

    fn account(number: u128) -> AccountId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_persons_value_opens_with_their_key_and_in_its_place_alone() {
        let vault = vault();
        let (key, wrapped) = vault.new_data_key(account(1));
        let sealed = vault.seal(&key, ADA, b"ada@example.com");
        let again = vault.unwrap_key(account(1), &wrapped).unwrap();
        assert_eq!(
            vault.open(&again, ADA, &sealed).unwrap().as_slice(),
            b"ada@example.com"
        );

        let (foreign, _) = vault.new_data_key(account(2));
        assert_eq!(vault.open(&foreign, ADA, &sealed).unwrap_err(), OpenError);
        for elsewhere in [
            FieldContext {
                table: "profiles",
                ..ADA
            },
            FieldContext {
                column: "name",
                ..ADA
            },
            FieldContext {
                row: Uuid::from_u128(2),
                ..ADA
            },
            FieldContext {
                table: "accountsi",
                column: "dentifier",
                ..ADA
            },
        ] {
            assert!(
                vault.open(&key, elsewhere, &sealed).is_err(),
                "{elsewhere:?}"
            );
        }
    }

    #[test]
    fn one_value_sealed_twice_looks_different() {
        let vault = vault();
        let (key, _) = vault.new_data_key(account(1));
        assert_ne!(vault.seal(&key, ADA, b"x"), vault.seal(&key, ADA, b"x"));
    }

    #[test]
    fn a_wrapped_key_is_its_accounts_and_its_master_keys_alone() {
        let vault = vault();
        let (_, wrapped) = vault.new_data_key(account(1));
        assert!(vault.unwrap_key(account(2), &wrapped).is_err());
        let renamed = WrappedKey {
            master_key_id: "other".to_owned(),
            ..wrapped.clone()
        };
        assert!(vault.unwrap_key(account(1), &renamed).is_err());
        let elsewhere = CryptoVault::new(ring(2), random());
        assert!(elsewhere.unwrap_key(account(1), &wrapped).is_err());
    }

    #[test]
    fn what_an_earlier_key_sealed_still_opens_after_a_rotation() {
        let (before, newer) = (ring(1), ring(2));
        let old = CryptoVault::new(Arc::clone(&before), random());
        let (_, wrapped) = old.new_data_key(account(1));
        let sealed = old.seal_for_service(ServicePurpose::AnonymousAudit, b"row", b"value");

        let vault = CryptoVault::new(rotated(&newer, &before), random());
        assert!(vault.unwrap_key(account(1), &wrapped).is_ok());
        let opened = vault.open_for_service(ServicePurpose::AnonymousAudit, b"row", &sealed);
        assert_eq!(opened.unwrap().as_slice(), b"value");
        assert_ne!(
            vault.new_data_key(account(1)).1.master_key_id,
            wrapped.master_key_id
        );
    }

    #[test]
    fn a_service_value_opens_for_its_purpose_and_row_alone() {
        let vault = vault();
        let purpose = ServicePurpose::PendingRegistration;
        let sealed = vault.seal_for_service(purpose, b"row 1", b"value");
        assert!(vault.open_for_service(purpose, b"row 1", &sealed).is_ok());
        assert!(vault.open_for_service(purpose, b"row 2", &sealed).is_err());
        let other = ServicePurpose::IdempotentAnswer;
        assert!(vault.open_for_service(other, b"row 1", &sealed).is_err());
    }

    proptest! {
        #[test]
        fn no_byte_of_a_sealed_value_can_be_changed(
            plain: Vec<u8>, at: prop::sample::Index, difference in 1u8..,
        ) {
            let vault = vault();
            let (key, wrapped) = vault.new_data_key(account(1));
            let flip = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                let at = at.index(bytes.len());
                bytes[at] ^= difference;
                bytes
            };

            let sealed = vault.seal(&key, ADA, &plain);
            let opened = vault.open(&key, ADA, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            prop_assert!(vault.open(&key, ADA, &Sealed(flip(&sealed.0))).is_err());

            let purpose = ServicePurpose::AnonymousAudit;
            let sealed = vault.seal_for_service(purpose, b"row", &plain);
            let opened = vault.open_for_service(purpose, b"row", &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            let changed = Sealed(flip(&sealed.0));
            prop_assert!(vault.open_for_service(purpose, b"row", &changed).is_err());

            let changed = WrappedKey { bytes: flip(&wrapped.bytes), ..wrapped };
            prop_assert!(vault.unwrap_key(account(1), &changed).is_err());
        }

        #[test]
        fn foreign_bytes_do_not_open_and_do_not_panic(bytes: Vec<u8>, cut: prop::sample::Index) {
            let vault = vault();
            let (key, wrapped) = vault.new_data_key(account(1));
            let purpose = ServicePurpose::AnonymousAudit;
            let sealed = vault.seal_for_service(purpose, b"row", b"value");
            let short = Sealed(sealed.0[..cut.index(sealed.0.len())].to_vec());
            prop_assert!(vault.open_for_service(purpose, b"row", &short).is_err());
            let foreign = Sealed(bytes.clone());
            prop_assert!(vault.open(&key, ADA, &foreign).is_err());
            prop_assert!(vault.open_for_service(purpose, b"row", &foreign).is_err());
            let foreign = WrappedKey { bytes, ..wrapped };
            prop_assert!(vault.unwrap_key(account(1), &foreign).is_err());
        }
    }
}
