//! Transitions of keys between stages.
//!
//! The caller decides when a transition is safe, since it can see which data depends on a key. This module
//! enforces only the rules that hold regardless of that.

use authentication_app::ports::{KeySection, KeyState, KeySummary};
use common::SecureRandom;
use time::OffsetDateTime;

use super::{
    KeyRing, Keyed, SecretKey, SigningAlgorithm, SigningKey,
    live::{Held, Live, Stages},
};

/// Why a transition is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// The section already has a next key.
    #[error("the key {0} is next already: promote or retire it first")]
    NextIsThere(String),
    /// There is no next key to promote.
    #[error("there is no next key")]
    NoNext,
    /// The current key is in use and cannot be retired.
    #[error("this key is the current one: promote another first")]
    Current,
    /// No live key has this id.
    #[error("there is no live key of this id")]
    Unknown,
    /// The id of the new key has been used before.
    #[error("the id of the new key is taken: try again")]
    IdIsTaken,
    /// Only signing keys have a choice of algorithm.
    #[error("keys of this section have no choice of algorithm")]
    NoAlgorithm,
}

impl KeyRing {
    /// All keys with their stages, without the secrets. Retired keys come last in each section.
    pub fn keys(&self) -> Vec<KeySummary> {
        let mut all = Vec::new();
        for section in KeySection::ALL {
            match self.secrets(section) {
                Some(live) => {
                    let stored_as = |key: &SecretKey| match section {
                        KeySection::PasswordPepper => crate::passwords::pepper_mark(key),
                        _ => key.id().to_owned(),
                    };
                    summarize(section, live, stored_as, |_| None, &mut all);
                }
                None => summarize(
                    section,
                    &self.signing,
                    |key| key.id().to_owned(),
                    |key| Some(key.algorithm().as_str()),
                    &mut all,
                ),
            }
        }
        all
    }

    /// Generates the next key of a section and returns its id. A signing key has the algorithm of the current
    /// one unless another is given.
    ///
    /// # Errors
    /// [`StageError`] when the section already has a next key.
    pub fn add_next(
        &mut self,
        section: KeySection,
        algorithm: Option<SigningAlgorithm>,
        random: &dyn SecureRandom,
        now: OffsetDateTime,
    ) -> Result<String, StageError> {
        self.date(now);
        if let Some(live) = self.secrets_mut(section) {
            if algorithm.is_some() {
                return Err(StageError::NoAlgorithm);
            }
            let key = SecretKey::generate(random);
            let id = key.id().to_owned();
            return live.add_next(key, now).map(|()| id);
        }
        let algorithm = algorithm.unwrap_or(self.signing.current().algorithm());
        let key = SigningKey::generate(algorithm, random);
        let id = key.id().to_owned();
        self.signing.add_next(key, now).map(|()| id)
    }

    /// Makes the next key of a section current, and the current one previous. Returns both ids.
    ///
    /// # Errors
    /// [`StageError::NoNext`].
    pub fn promote(
        &mut self,
        section: KeySection,
        now: OffsetDateTime,
    ) -> Result<(String, String), StageError> {
        self.date(now);
        self.stages_mut(section).promote(now)
    }

    /// Retires a key that is not current, permanently. Returns its former stage.
    ///
    /// # Errors
    /// [`StageError`] when the key is current or does not exist.
    pub fn retire(
        &mut self,
        section: KeySection,
        id: &str,
        now: OffsetDateTime,
    ) -> Result<KeyState, StageError> {
        self.date(now);
        self.stages_mut(section).retire(id, now)
    }

    /// Returns a section whose current key `next` neither has nor lists as retired. In that case `next` is
    /// not a later version of this ring, but a different one.
    pub fn is_unknown_to(&self, next: &Self) -> Option<KeySection> {
        KeySection::ALL.into_iter().find(|section| {
            let current = match self.secrets(*section) {
                Some(live) => live.current().id(),
                None => self.signing.current().id(),
            };
            !next.stages(*section).remembers(current)
        })
    }

    /// Sets missing times of keys to the time of the document's first change.
    fn date(&mut self, now: OffsetDateTime) {
        for section in KeySection::ALL {
            self.stages_mut(section).date(now);
        }
    }

    /// The secret keys of a section; `None` for signing, which has key pairs.
    const fn secrets(&self, section: KeySection) -> Option<&Live<SecretKey>> {
        match section {
            KeySection::FieldEncryption => Some(&self.field_encryption),
            KeySection::BlindIndex => Some(&self.blind_index),
            KeySection::RefreshTokens => Some(&self.refresh_tokens),
            KeySection::DeviceTokens => Some(&self.device_tokens),
            KeySection::Codes => Some(&self.codes),
            KeySection::PasswordPepper => Some(&self.password_pepper),
            KeySection::Signing => None,
        }
    }

    const fn secrets_mut(&mut self, section: KeySection) -> Option<&mut Live<SecretKey>> {
        match section {
            KeySection::FieldEncryption => Some(&mut self.field_encryption),
            KeySection::BlindIndex => Some(&mut self.blind_index),
            KeySection::RefreshTokens => Some(&mut self.refresh_tokens),
            KeySection::DeviceTokens => Some(&mut self.device_tokens),
            KeySection::Codes => Some(&mut self.codes),
            KeySection::PasswordPepper => Some(&mut self.password_pepper),
            KeySection::Signing => None,
        }
    }

    fn stages(&self, section: KeySection) -> &dyn Stages {
        match self.secrets(section) {
            Some(live) => live,
            None => &self.signing,
        }
    }

    fn stages_mut(&mut self, section: KeySection) -> &mut dyn Stages {
        match section {
            KeySection::Signing => &mut self.signing,
            KeySection::FieldEncryption => &mut self.field_encryption,
            KeySection::BlindIndex => &mut self.blind_index,
            KeySection::RefreshTokens => &mut self.refresh_tokens,
            KeySection::DeviceTokens => &mut self.device_tokens,
            KeySection::Codes => &mut self.codes,
            KeySection::PasswordPepper => &mut self.password_pepper,
        }
    }
}

fn summarize<K: Keyed>(
    section: KeySection,
    live: &Live<K>,
    stored_as: impl Fn(&K) -> String,
    algorithm: impl Fn(&K) -> Option<&'static str>,
    all: &mut Vec<KeySummary>,
) {
    let summary = |(state, held): (KeyState, &Held<K>)| KeySummary {
        section,
        id: held.key.id().to_owned(),
        state,
        made_at: held.made_at,
        since: held.since,
        stored_as: stored_as(&held.key),
        algorithm: algorithm(&held.key),
    };
    all.extend(live.staged().map(summary));
    all.extend(live.retired.iter().map(|key| KeySummary {
        section,
        id: key.id.clone(),
        state: KeyState::Retired,
        made_at: None,
        since: key.since,
        stored_as: key.id.clone(),
        algorithm: None,
    }));
}
