//! The blind index: keyed digests by which an encrypted identifier is found.

use authentication_app::ports::{IdentifierIndex, IndexEntry, IndexKeys, Subject};
use authentication_domain::accounts::Identifier;
use aws_lc_rs::hmac;

use crate::keys::{KeyRing, Keyed as _, SecretKey};

/// HMAC-SHA-256 of the identifier's index form, under every live key of `blind_index`.
pub struct BlindIndex {
    current: IndexKey,
    earlier: Vec<IndexKey>,
}

struct IndexKey {
    id: String,
    key: hmac::Key,
}

impl BlindIndex {
    /// The index under the keys of a ring.
    pub fn new(ring: &KeyRing) -> Self {
        let keys = &ring.blind_index;
        Self {
            current: IndexKey::of(keys.current()),
            earlier: keys.iter().skip(1).map(IndexKey::of).collect(),
        }
    }
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
        let index_form = identifier.index_form();
        let current = self.current.entry(&index_form);
        let earlier = self.earlier.iter().map(|key| key.entry(&index_form));
        IndexKeys {
            subject: Subject(current.digest),
            entries: std::iter::once(current.clone()).chain(earlier).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{ring, rotated};

    fn identifier(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn one_person_is_found_however_they_type_it_and_nobody_else_is() {
        let index = BlindIndex::new(&ring(1));
        let ada = index.keys_of(&identifier("ada@example.com"));
        assert_eq!(index.keys_of(&identifier("ADA@Example.com")), ada);
        assert_ne!(index.keys_of(&identifier("bob@example.com")), ada);
        assert_eq!(ada.entries.len(), 1);
    }

    #[test]
    fn nobody_without_the_key_can_compute_a_digest() {
        let ada = identifier("ada@example.com");
        let subject = BlindIndex::new(&ring(1)).keys_of(&ada).subject;
        assert_ne!(BlindIndex::new(&ring(2)).keys_of(&ada).subject, subject);
        let plain =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, ada.index_form().as_bytes());
        assert_ne!(subject.0.as_slice(), plain.as_ref());
    }

    #[test]
    fn while_keys_rotate_a_person_is_found_under_each_the_current_one_first() {
        let (older, newer) = (ring(1), ring(2));
        let ada = identifier("+2348012345678");
        let before = BlindIndex::new(&older).keys_of(&ada);
        let between = BlindIndex::new(&rotated(&newer, &older)).keys_of(&ada);
        let after = BlindIndex::new(&newer).keys_of(&ada);
        assert_eq!(between.subject, after.subject);
        assert_eq!(between.entries, [after.entries, before.entries].concat());
    }
}
