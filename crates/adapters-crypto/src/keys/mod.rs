//! The secret keys of the service: one document with several live keys of each kind.
//!
//! Each section has one current key, which is used for new data. The next key is distributed in advance, and
//! previous keys are kept to read existing data. Neither `Debug` nor errors ever contain a key.

mod document;
mod error;
mod file;
mod in_use;
mod live;
mod secret_key;
mod signing_key;
#[cfg(test)]
mod stage_tests;
mod stages;
#[cfg(test)]
mod tests;

use std::{fmt, path::Path};

use common::SecureRandom;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use error::KeyRingError;
pub use in_use::KeysInUse;
pub(crate) use live::{Keyed, Live};
pub(crate) use secret_key::SecretKey;
pub use signing_key::SigningAlgorithm;
pub(crate) use signing_key::SigningKey;
pub use stages::StageError;

/// Who generated a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The service itself, on its first start. Refused in production mode.
    Generated,
    /// An operator, who knows where it is stored.
    Provided,
}

/// All secret keys of the service.
pub struct KeyRing {
    origin: Origin,
    /// Master keys, which wrap the data keys of persons and of the service.
    pub(crate) field_encryption: Live<SecretKey>,
    /// For digests of identifiers.
    pub(crate) blind_index: Live<SecretKey>,
    /// For MACs of refresh tokens.
    pub(crate) refresh_tokens: Live<SecretKey>,
    /// For MACs of device tokens.
    pub(crate) device_tokens: Live<SecretKey>,
    /// For one-time codes, links and fingerprints.
    pub(crate) codes: Live<SecretKey>,
    /// The secret input (pepper) of password hashes.
    pub(crate) password_pepper: Live<SecretKey>,
    /// For signatures of access tokens.
    pub(crate) signing: Live<SigningKey>,
}

impl KeyRing {
    /// Generates a ring with one key of each kind, as in an embedded service.
    pub fn generate(random: &dyn SecureRandom, now: OffsetDateTime) -> Self {
        let key = || Live::only(SecretKey::generate(random), now);
        Self {
            origin: Origin::Generated,
            field_encryption: key(),
            blind_index: key(),
            refresh_tokens: key(),
            device_tokens: key(),
            codes: key(),
            password_pepper: key(),
            signing: Live::only(
                SigningKey::generate(SigningAlgorithm::default(), random),
                now,
            ),
        }
    }

    /// Marks the keys as provided by an operator, for a command that generates a ring for production.
    #[must_use]
    pub fn into_provided(self) -> Self {
        Self {
            origin: Origin::Provided,
            ..self
        }
    }

    /// Reads the document that [`KeyRing::to_json`] writes.
    ///
    /// # Errors
    /// [`KeyRingError`], which names the section and the key but never a value.
    pub fn from_json(json: &SecretString) -> Result<Self, KeyRingError> {
        document::parse(json.expose_secret())
    }

    /// The ring as one JSON document. It contains every secret of the service.
    pub fn to_json(&self) -> SecretString {
        document::write(self)
    }

    /// Reads a ring from a file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyRingError`] when the file does not exist, is accessible to others, or is not a valid ring.
    pub fn load(path: &Path) -> Result<Self, KeyRingError> {
        let text = file::read(path)?.ok_or_else(|| KeyRingError::missing(path))?;
        document::parse(&text)
    }

    /// Reads the ring at `path`, or creates it (mode 0600) if the file does not exist.
    ///
    /// Two processes that start at the same time end up with the same ring.
    ///
    /// # Errors
    /// [`KeyRingError`] when the file cannot be written, is accessible to others, or is not a valid ring.
    pub fn load_or_create(
        path: &Path,
        random: &dyn SecureRandom,
        now: OffsetDateTime,
    ) -> Result<Self, KeyRingError> {
        if let Some(text) = file::read(path)? {
            return document::parse(&text);
        }
        file::create(path, &Self::generate(random, now).to_json(), random)?;
        // Load the file instead of using the generated ring, because another process may have created it
        // first.
        Self::load(path)
    }

    /// Changes the ring in a file. The result of `change` replaces it atomically, with the same mode and
    /// owner; a crash leaves either one. Of several concurrent changes only one succeeds.
    ///
    /// # Errors
    /// [`KeyRingError`], or the error of `change`. The file is then unchanged.
    pub fn update<T, E: From<KeyRingError>>(
        path: &Path,
        random: &dyn SecureRandom,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let seen = file::read(path)?.ok_or_else(|| KeyRingError::missing(path))?;
        let mut ring = document::parse(&seen)?;
        let done = change(&mut ring)?;
        file::replace(path, &seen, &ring.to_json(), random)?;
        Ok(done)
    }

    /// Whether the service generated these keys itself. Production mode refuses to start with them.
    pub const fn is_development(&self) -> bool {
        matches!(self.origin, Origin::Generated)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
