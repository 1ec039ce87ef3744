//! Symmetric keys of 256 bits.

use aws_lc_rs::hmac;
use common::SecureRandom;
use zeroize::Zeroizing;

use super::live::Keyed;

/// A secret key with its id. It is never used directly: each purpose has a sub-key with its own label.
pub(crate) struct SecretKey {
    id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl SecretKey {
    pub(crate) const fn new(id: String, bytes: Zeroizing<[u8; 32]>) -> Self {
        Self { id, bytes }
    }

    pub(super) fn generate(random: &dyn SecureRandom) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(bytes.as_mut_slice());
        Self::new(fresh_id(random), bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The sub-key for one purpose: the first block of HKDF-Expand with SHA-256 (RFC 5869 §2.3). The extract
    /// step is not needed, because the key is uniformly random.
    pub(crate) fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut block =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.bytes.as_slice()));
        block.update(label.as_bytes());
        block.update(&[1]);
        let mut derived = Zeroizing::new([0; 32]);
        derived.copy_from_slice(block.sign().as_ref());
        derived
    }

    /// The sub-key for one purpose, as a MAC key.
    pub(crate) fn derive_mac_key(&self, label: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(label).as_slice())
    }
}

impl Keyed for SecretKey {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Generates a short id, since it is part of every refresh token and every stored value.
pub(super) fn fresh_id(random: &dyn SecureRandom) -> String {
    format!("{:08x}", u32::from_be_bytes(common::random::bytes(random)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::hkdf;

    #[test]
    fn a_sub_key_is_what_hkdf_would_give() {
        let key = SecretKey::new("k".to_owned(), Zeroizing::new([7; 32]));
        let mut expected = [0; 32];
        hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, &[7; 32])
            .expand(&[b"a label"], hkdf::HKDF_SHA256)
            .and_then(|material| material.fill(&mut expected))
            .unwrap();
        assert_eq!(*key.derive("a label"), expected);
        assert_ne!(*key.derive("another"), expected);
    }
}
