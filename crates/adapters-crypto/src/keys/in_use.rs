//! The key ring in use, which can be replaced as a whole at run time.

use std::sync::Arc;

use arc_swap::ArcSwap;
use authentication_app::ports::KeySummary;

use super::{KeyRing, KeyRingError};
use crate::{
    access_tokens::SigningKeys, blind_index::IndexKeyring, macs::MacKeys, passwords::Peppers,
    vault::MasterKeys,
};

/// The key ring in use and everything derived from it.
///
/// A replacement takes effect for all users of keys at once; an operation in progress ends with the old ring.
/// Nodes adopt a change at different times, which the stages of a key allow for.
pub struct KeysInUse {
    material: ArcSwap<Material>,
}

/// The material derived from a ring, computed once.
pub(crate) struct Material {
    pub(crate) masters: MasterKeys,
    pub(crate) index: IndexKeyring,
    pub(crate) macs: MacKeys,
    pub(crate) peppers: Peppers,
    pub(crate) signing: SigningKeys,
    ring: KeyRing,
}

impl Material {
    fn of(ring: KeyRing) -> Arc<Self> {
        Arc::new(Self {
            masters: MasterKeys::of(&ring),
            index: IndexKeyring::of(&ring),
            macs: MacKeys::of(&ring),
            peppers: Peppers::of(&ring),
            signing: SigningKeys::of(&ring),
            ring,
        })
    }
}

impl KeysInUse {
    /// Starts with a ring.
    pub fn new(ring: KeyRing) -> Arc<Self> {
        Arc::new(Self {
            material: ArcSwap::new(Material::of(ring)),
        })
    }

    /// Replaces the ring by a later version.
    ///
    /// # Errors
    /// [`KeyRingError::AnotherRing`] when the new ring lacks a key that is current now. It is then a
    /// different ring, with which existing data would be unreadable. The ring in use stays.
    pub fn replace(&self, ring: KeyRing) -> Result<(), KeyRingError> {
        if let Some(section) = self.material.load().ring.is_unknown_to(&ring) {
            let section = section.as_str();
            return Err(KeyRingError::AnotherRing { section });
        }
        self.material.store(Material::of(ring));
        Ok(())
    }

    /// The ids and stages of the keys in use, without the secrets.
    pub fn keys(&self) -> Vec<KeySummary> {
        self.material.load().ring.keys()
    }

    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Material>> {
        self.material.load()
    }
}
