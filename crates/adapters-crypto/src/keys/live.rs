//! The keys of one kind that are alive.

use super::KeyRingError;

/// Something with an id that is unique among its kind.
pub(crate) trait Keyed {
    fn id(&self) -> &str;
}

/// At least one key: the current one, and those before it that are still known.
pub(crate) struct Live<K> {
    current: K,
    earlier: Vec<K>,
}

impl<K: Keyed> Live<K> {
    pub(super) const fn only(current: K) -> Self {
        Self {
            current,
            earlier: Vec::new(),
        }
    }

    /// The keys of a section in the document's order, the current one first.
    pub(super) fn new(section: &'static str, keys: Vec<K>) -> Result<Self, KeyRingError> {
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or(KeyRingError::NoKey { section })?;
        let mut live = Self::only(current);
        for key in keys {
            if live.find(key.id()).is_some() {
                let id = key.id().to_owned();
                return Err(KeyRingError::RepeatedId { section, id });
            }
            live.earlier.push(key);
        }
        Ok(live)
    }

    /// Under which new things are made.
    pub(crate) const fn current(&self) -> &K {
        &self.current
    }

    /// All of them, the current one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        std::iter::once(&self.current).chain(&self.earlier)
    }

    /// The key with this id, if it is alive.
    pub(crate) fn find(&self, id: &str) -> Option<&K> {
        self.iter().find(|key| key.id() == id)
    }
}
