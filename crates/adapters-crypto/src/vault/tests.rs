use common::Id;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::test_support::{keys, random, ring, rotated, staged};

const ADA: FieldContext = FieldContext {
    table: "accounts",
    column: "identifier",
    row: Uuid::from_u128(1),
};

fn vault() -> CryptoVault {
    vault_on(keys(1))
}

/// A vault with its own service key.
fn vault_on(keys: Arc<KeysInUse>) -> CryptoVault {
    let record = ServiceKey::generate(&keys, random().as_ref());
    let service = ServiceKey::open(&keys, &record).unwrap();
    CryptoVault::new(keys, service, random())
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
    let elsewhere = vault_on(keys(2));
    assert!(elsewhere.unwrap_key(account(1), &wrapped).is_err());
}

#[test]
fn data_keys_of_every_stage_open() {
    let (older, newer) = (ring(1), ring(2));
    let (_, before) = vault_on(keys(1)).new_data_key(account(1));
    let (_, after) = vault_on(keys(2)).new_data_key(account(1));
    for keys in [staged(&newer, &older), rotated(&newer, &older)] {
        let vault = vault_on(keys);
        assert!(vault.unwrap_key(account(1), &before).is_ok());
        assert!(vault.unwrap_key(account(1), &after).is_ok());
    }
}

#[test]
fn wrapping_anew_keeps_the_data_key_and_needs_the_old_master_key_no_more() {
    let (older, newer) = (ring(1), ring(2));
    let old = vault_on(keys(1));
    let (key, wrapped) = old.new_data_key(account(1));
    let sealed = old.seal(&key, ADA, b"ada@example.com");
    assert_eq!(old.replaced_master_keys(), Vec::<String>::new());

    let between = vault_on(rotated(&newer, &older));
    assert_eq!(
        between.replaced_master_keys(),
        std::slice::from_ref(&wrapped.master_key_id)
    );
    let anew = between.rewrap_key(account(1), &wrapped).unwrap();
    assert_ne!(anew.master_key_id, wrapped.master_key_id);
    assert_ne!(anew.bytes, wrapped.bytes);
    assert!(between.rewrap_key(account(2), &wrapped).is_err());

    let after = vault_on(keys(2));
    assert!(after.unwrap_key(account(1), &wrapped).is_err());
    let key = after.unwrap_key(account(1), &anew).unwrap();
    let opened = after.open(&key, ADA, &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"ada@example.com");
}

#[test]
fn a_next_master_key_wraps_nothing_yet() {
    let (older, newer) = (ring(1), ring(2));
    let staged = vault_on(staged(&newer, &older));
    let (_, wrapped) = staged.new_data_key(account(1));
    assert!(vault_on(keys(1)).unwrap_key(account(1), &wrapped).is_ok());
    assert_eq!(staged.replaced_master_keys(), Vec::<String>::new());
}

#[test]
fn service_values_outlive_master_keys() {
    let (older, newer) = (ring(1), ring(2));
    let purpose = ServicePurpose::AnonymousAudit;
    let before = keys(1);
    let record = ServiceKey::generate(&before, random().as_ref());
    let service = ServiceKey::open(&before, &record).unwrap();
    let old = CryptoVault::new(before, service, random());
    let sealed = old.seal_for_service(purpose, b"row", b"value");

    let between = rotated(&newer, &older);
    let service = ServiceKey::open(&between, &record).unwrap();
    let between = CryptoVault::new(between, service, random());
    let anew = ServiceKeyRecord {
        id: record.id.clone(),
        wrapped: between.rewrap_service_key(&record).unwrap(),
    };

    let after = keys(2);
    assert!(ServiceKey::open(&after, &record).is_err());
    let service = ServiceKey::open(&after, &anew).unwrap();
    let after = CryptoVault::new(after, service, random());
    let opened = after.open_for_service(purpose, b"row", &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"value");
    let fingerprint = old.lasting_fingerprint(b"value");
    assert_eq!(after.lasting_fingerprint(b"value"), fingerprint);
    assert_ne!(after.lasting_fingerprint(b"other"), fingerprint);
}

#[test]
fn a_service_key_is_no_persons_and_has_its_own_id() {
    let keys = keys(1);
    let record = ServiceKey::generate(&keys, random().as_ref());
    assert!(
        vault_on(Arc::clone(&keys))
            .unwrap_key(account(1), &record.wrapped)
            .is_err()
    );
    let renamed = ServiceKeyRecord {
        id: "2".to_owned(),
        ..record
    };
    assert!(ServiceKey::open(&keys, &renamed).is_err());
}

#[test]
fn what_was_sealed_before_there_were_service_keys_still_opens() {
    let ring = ring(1);
    let master = ring.field_encryption.current();
    let (purpose, id) = (ServicePurpose::AnonymousAudit, master.id());
    let mut head = vec![1, u8::try_from(id.len()).unwrap()];
    head.extend_from_slice(id.as_bytes());
    let key = master.derive(label_of(purpose));
    let context = service_context(id, b"row");
    let sealed = Sealed(encrypt(random().as_ref(), &key, head, &context, b"value"));
    let opened = vault().open_for_service(purpose, b"row", &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"value");
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
