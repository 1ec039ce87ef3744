//! The keys of one section, each in its stage.

use authentication_app::ports::KeyState;
use time::OffsetDateTime;

use super::{KeyRingError, StageError};

/// An object with an id that is unique among its kind.
pub(crate) trait Keyed {
    fn id(&self) -> &str;
}

/// A key with its times.
pub(super) struct Held<K> {
    pub(super) key: K,
    /// `None` for keys from before times were recorded.
    pub(super) made_at: Option<OffsetDateTime>,
    /// When it entered its stage.
    pub(super) since: Option<OffsetDateTime>,
}

impl<K> Held<K> {
    pub(super) const fn new(key: K, now: OffsetDateTime) -> Self {
        Self {
            key,
            made_at: Some(now),
            since: Some(now),
        }
    }
}

/// The remainder of a retired key: its id, so that it is never reused and data that names it is known to be
/// obsolete.
pub(super) struct Retired {
    pub(super) id: String,
    pub(super) since: Option<OffsetDateTime>,
}

/// One current key, at most one next key, and the previous keys, newest first.
pub(crate) struct Live<K> {
    pub(super) current: Held<K>,
    pub(super) next: Option<Held<K>>,
    pub(super) previous: Vec<Held<K>>,
    pub(super) retired: Vec<Retired>,
}

impl<K: Keyed> Live<K> {
    pub(super) const fn only(key: K, now: OffsetDateTime) -> Self {
        Self {
            current: Held::new(key, now),
            next: None,
            previous: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// Builds a section from the keys of a document. Previous keys keep their order.
    pub(super) fn new(
        section: &'static str,
        keys: Vec<(KeyState, Held<K>)>,
        retired: Vec<Retired>,
    ) -> Result<Self, KeyRingError> {
        let (mut current, mut next, mut previous) = (None, None, Vec::new());
        let mut seen: Vec<String> = retired.iter().map(|key| key.id.clone()).collect();
        let gone = seen.clone();
        for (state, held) in keys {
            let id = held.key.id().to_owned();
            if seen.contains(&id) {
                return Err(KeyRingError::RepeatedId { section, id });
            }
            seen.push(id);
            let place = match state {
                KeyState::Current => &mut current,
                KeyState::Next => &mut next,
                KeyState::Previous | KeyState::Retired => {
                    previous.push(held);
                    continue;
                }
            };
            if place.replace(held).is_some() {
                let state = state.as_str();
                return Err(KeyRingError::TwoInOneStage { section, state });
            }
        }
        let repeated = |(at, id): (usize, &String)| gone.iter().skip(at + 1).any(|it| it == id);
        if let Some((_, id)) = gone.iter().enumerate().find(|entry| repeated(*entry)) {
            let id = id.clone();
            return Err(KeyRingError::RepeatedId { section, id });
        }
        Ok(Self {
            current: current.ok_or(KeyRingError::NoKey { section })?,
            next,
            previous,
            retired,
        })
    }

    /// The key for new data.
    pub(crate) const fn current(&self) -> &K {
        &self.current.key
    }

    /// The next key, if there is one.
    pub(crate) fn next(&self) -> Option<&K> {
        self.next.as_ref().map(|held| &held.key)
    }

    /// The previous keys, newest first.
    pub(crate) fn previous(&self) -> impl Iterator<Item = &K> {
        self.previous.iter().map(|held| &held.key)
    }

    /// The ids of retired keys.
    pub(crate) fn retired(&self) -> impl Iterator<Item = &str> {
        self.retired.iter().map(|key| key.id.as_str())
    }

    /// All live keys: current, next, previous.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        std::iter::once(self.current())
            .chain(self.next())
            .chain(self.previous())
    }

    /// The live key with this id.
    pub(crate) fn find(&self, id: &str) -> Option<&K> {
        self.iter().find(|key| key.id() == id)
    }

    /// All live keys with their stages, in the order of [`Self::iter`].
    pub(super) fn staged(&self) -> impl Iterator<Item = (KeyState, &Held<K>)> {
        std::iter::once((KeyState::Current, &self.current))
            .chain(self.next.iter().map(|held| (KeyState::Next, held)))
            .chain(self.previous.iter().map(|held| (KeyState::Previous, held)))
    }

    fn knows_or_knew(&self, id: &str) -> bool {
        self.find(id).is_some() || self.retired().any(|retired| retired == id)
    }

    pub(super) fn add_next(&mut self, key: K, now: OffsetDateTime) -> Result<(), StageError> {
        if let Some(next) = self.next() {
            return Err(StageError::NextIsThere(next.id().to_owned()));
        }
        // The chance is 1 in 2^32 per key; a retry generates another id.
        if self.knows_or_knew(key.id()) {
            return Err(StageError::IdIsTaken);
        }
        self.next = Some(Held::new(key, now));
        Ok(())
    }
}

/// Transitions that do not depend on the type of key.
pub(super) trait Stages {
    /// Makes the next key current and the current one previous. Returns both ids.
    fn promote(&mut self, now: OffsetDateTime) -> Result<(String, String), StageError>;
    /// Retires a key that is not current. Returns its former stage.
    fn retire(&mut self, id: &str, now: OffsetDateTime) -> Result<KeyState, StageError>;
    /// Sets the time of keys that have none, to when times were first recorded.
    fn date(&mut self, now: OffsetDateTime);
    /// Whether a key with this id is live or retired.
    fn remembers(&self, id: &str) -> bool;
}

impl<K: Keyed> Stages for Live<K> {
    fn promote(&mut self, now: OffsetDateTime) -> Result<(String, String), StageError> {
        let mut next = self.next.take().ok_or(StageError::NoNext)?;
        next.since = Some(now);
        let promoted = next.key.id().to_owned();
        let mut before = std::mem::replace(&mut self.current, next);
        before.since = Some(now);
        let replaced = before.key.id().to_owned();
        self.previous.insert(0, before);
        Ok((promoted, replaced))
    }

    fn retire(&mut self, id: &str, now: OffsetDateTime) -> Result<KeyState, StageError> {
        if self.current().id() == id {
            return Err(StageError::Current);
        }
        let was = if self.next.as_ref().is_some_and(|next| next.key.id() == id) {
            self.next = None;
            KeyState::Next
        } else {
            let place = self.previous.iter().position(|held| held.key.id() == id);
            self.previous.remove(place.ok_or(StageError::Unknown)?);
            KeyState::Previous
        };
        self.retired.push(Retired {
            id: id.to_owned(),
            since: Some(now),
        });
        Ok(was)
    }

    fn date(&mut self, now: OffsetDateTime) {
        let held = std::iter::once(&mut self.current)
            .chain(&mut self.next)
            .chain(&mut self.previous);
        for held in held {
            held.since.get_or_insert(now);
        }
    }

    fn remembers(&self, id: &str) -> bool {
        self.knows_or_knew(id)
    }
}
