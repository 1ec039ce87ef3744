//! The blind index: keyed digests for looking up encrypted identifiers.

use std::sync::Arc;

use authentication_app::ports::{IdentifierIndex, IndexEntry, IndexKeys, Subject};
use authentication_domain::accounts::Identifier;
use aws_lc_rs::hmac;

use crate::keys::{KeyRing, Keyed as _, KeysInUse, SecretKey};

/// HMAC-SHA-256 of the identifier's index form, under every live key of `blind_index`.
pub struct BlindIndex {
    keys: Arc<KeysInUse>,
}

impl BlindIndex {
    /// Creates an index that uses the keys in use.
    pub const fn new(keys: Arc<KeysInUse>) -> Self {
        Self { keys }
    }
}

/// The `blind_index` section of a key ring, prepared for use.
pub(crate) struct IndexKeyring {
    current: IndexKey,
    next: Option<IndexKey>,
    previous: Vec<IndexKey>,
    retired: Vec<String>,
}

impl IndexKeyring {
    pub(crate) fn of(ring: &KeyRing) -> Self {
        let keys = &ring.blind_index;
        Self {
            current: IndexKey::of(keys.current()),
            next: keys.next().map(IndexKey::of),
            previous: keys.previous().map(IndexKey::of).collect(),
            retired: keys.retired().map(ToOwned::to_owned).collect(),
        }
    }

    fn live(&self) -> impl Iterator<Item = &IndexKey> {
        std::iter::once(&self.current)
            .chain(&self.next)
            .chain(&self.previous)
    }
}

struct IndexKey {
    id: String,
    key: hmac::Key,
}

impl IndexKey {
    fn of(key: &SecretKey) -> Self {
        Self {
            id: key.id().to_owned(),
            key: key.derive_mac_key("identifier index"),
        }
    }

    fn entry(&self, index_form: &str) -> IndexEntry {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.key, index_form.as_bytes()).as_ref());
        IndexEntry {
            key_id: self.id.clone(),
            digest,
        }
    }
}

impl IdentifierIndex for BlindIndex {
    fn keys_of(&self, identifier: &Identifier) -> IndexKeys {
        let keys = self.keys.load();
        let keyring = &keys.index;
        let index_form = identifier.index_form();
        let current = keyring.current.entry(&index_form);
        let next = keyring.next.iter().map(|key| key.entry(&index_form));
        let previous = keyring.previous.iter().map(|key| key.entry(&index_form));
        let (next, previous): (Vec<_>, Vec<_>) = (next.collect(), previous.collect());
        IndexKeys {
            subject: Subject(current.digest),
            earlier_subjects: previous.iter().map(|it| Subject(it.digest)).collect(),
            entries: std::iter::once(current)
                .chain(next)
                .chain(previous)
                .collect(),
        }
    }

    fn keys_to_fill(&self) -> Vec<String> {
        let keys = self.keys.load();
        let keyring = &keys.index;
        std::iter::once(&keyring.current)
            .chain(&keyring.next)
            .map(|key| key.id.clone())
            .collect()
    }

    fn is_changing(&self) -> bool {
        let keys = self.keys.load();
        let IndexKeyring {
            next,
            previous,
            retired,
            ..
        } = &keys.index;
        next.is_some() || !previous.is_empty() || !retired.is_empty()
    }

    fn is_settled(&self) -> bool {
        let keys = self.keys.load();
        keys.index.next.is_none() && keys.index.previous.is_empty()
    }

    fn retired_keys(&self) -> Vec<String> {
        self.keys.load().index.retired.clone()
    }

    fn entry_under(&self, key_id: &str, identifier: &Identifier) -> Option<IndexEntry> {
        let keys = self.keys.load();
        let keyring = &keys.index;
        let key = keyring.live().find(|key| key.id == key_id)?;
        Some(key.entry(&identifier.index_form()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{keys, ring, rotated, staged};

    fn identifier(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn one_person_is_found_however_they_type_it_and_nobody_else_is() {
        let index = BlindIndex::new(keys(1));
        let ada = index.keys_of(&identifier("ada@example.com"));
        assert_eq!(index.keys_of(&identifier("ADA@Example.com")), ada);
        assert_ne!(index.keys_of(&identifier("bob@example.com")), ada);
        assert_eq!(ada.entries.len(), 1);
    }

    #[test]
    fn nobody_without_the_key_can_compute_a_digest() {
        let ada = identifier("ada@example.com");
        let subject = BlindIndex::new(keys(1)).keys_of(&ada).subject;
        assert_ne!(BlindIndex::new(keys(2)).keys_of(&ada).subject, subject);
        let plain =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, ada.index_form().as_bytes());
        assert_ne!(subject.0.as_slice(), plain.as_ref());
    }

    #[test]
    fn while_keys_rotate_a_person_is_found_under_each_the_current_one_first() {
        let (older, newer) = (ring(1), ring(2));
        let ada = identifier("+2348012345678");
        let before = BlindIndex::new(keys(1)).keys_of(&ada);
        let between = BlindIndex::new(rotated(&newer, &older)).keys_of(&ada);
        let after = BlindIndex::new(keys(2)).keys_of(&ada);
        assert_eq!(between.subject, after.subject);
        assert_eq!(between.earlier_subjects, [before.subject]);
        assert_eq!(between.entries, [after.entries, before.entries].concat());
    }

    #[test]
    fn a_next_key_is_written_and_looked_up_before_anything_is_counted_under_it() {
        let (older, newer) = (ring(1), ring(2));
        let ada = identifier("ada@example.com");
        let (old, new) = (BlindIndex::new(keys(1)), BlindIndex::new(keys(2)));
        let index = BlindIndex::new(staged(&newer, &older));
        let staged = index.keys_of(&ada);
        assert_eq!(staged.subject, old.keys_of(&ada).subject);
        assert_eq!(staged.earlier_subjects, []);
        let both = [old.keys_of(&ada).entries, new.keys_of(&ada).entries].concat();
        assert_eq!(staged.entries, both);
        let fill = index.keys_to_fill();
        assert_eq!(fill, [old.keys_to_fill(), new.keys_to_fill()].concat());
        for (key, entry) in fill.iter().zip(both) {
            assert_eq!(index.entry_under(key, &ada), Some(entry));
        }
        assert_eq!(index.entry_under("none", &ada), None);
        assert!(index.is_changing() && !old.is_changing());
    }
}
