//! The ring in use, exchanged whole while the service runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use authentication_app::ports::KeySummary;

use super::{KeyRing, KeyRingError};
use crate::{
    access_tokens::SigningKeys, blind_index::IndexKeyring, macs::MacKeys, passwords::Peppers,
    vault::MasterKeys,
};

/// The ring that everything is made and recognised with, and all that follows from it.
///
/// One exchange gives every user of keys the new ring at once; who has begun with the old one ends with it.
/// Nodes take a change up at different moments: that is what the stages of a key are for.
pub struct KeysInUse {
    material: ArcSwap<Material>,
}

/// What follows from a ring, derived once.
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
    /// Begins with a ring.
    pub fn new(ring: KeyRing) -> Arc<Self> {
        Arc::new(Self {
            material: ArcSwap::new(Material::of(ring)),
        })
    }

    /// Goes on with a later form of the ring.
    ///
    /// # Errors
    /// [`KeyRingError::AnotherRing`] when it does not know a key that is current now: then it is another
    /// ring, and with it nothing could be read any more. The ring in use stays.
    pub fn replace(&self, ring: KeyRing) -> Result<(), KeyRingError> {
        if let Some(section) = self.material.load().ring.is_unknown_to(&ring) {
            let section = section.as_str();
            return Err(KeyRingError::AnotherRing { section });
        }
        self.material.store(Material::of(ring));
        Ok(())
    }

    /// The keys in use, without the keys.
    pub fn keys(&self) -> Vec<KeySummary> {
        self.material.load().ring.keys()
    }

    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Material>> {
        self.material.load()
    }
}
