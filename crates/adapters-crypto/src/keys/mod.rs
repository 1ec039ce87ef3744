//! The service's secret keys: one document, several keys of a kind alive at once.
//!
//! In each section one key is current: what is made, is made under it. The one that comes next is known
//! beforehand, and those before it so that what was made under them is still known. No value is ever shown
//! by `Debug` or by an error.

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

/// Who made a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The service itself, on its first start. Production mode refuses such keys.
    Generated,
    /// An operator, who knows where it is kept.
    Provided,
}

/// Every secret key of the service.
pub struct KeyRing {
    origin: Origin,
    /// Master keys: they wrap the data keys of persons, and seal what belongs to nobody.
    pub(crate) field_encryption: Live<SecretKey>,
    /// Digests of identifiers.
    pub(crate) blind_index: Live<SecretKey>,
    /// Macs of refresh tokens.
    pub(crate) refresh_tokens: Live<SecretKey>,
    /// Macs of device tokens.
    pub(crate) device_tokens: Live<SecretKey>,
    /// One-time codes, links and fingerprints.
    pub(crate) codes: Live<SecretKey>,
    /// The secret input of password hashes.
    pub(crate) password_pepper: Live<SecretKey>,
    /// Signatures of access tokens.
    pub(crate) signing: Live<SigningKey>,
}

impl KeyRing {
    /// A new ring with one key of each kind, as the embedded service makes it for itself.
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

    /// The same keys as an operator's own, for a command that makes a ring to be put where production
    /// finds it.
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

    /// The ring as one JSON document. Whoever has it has everything.
    pub fn to_json(&self) -> SecretString {
        document::write(self)
    }

    /// Reads a ring from a file that only its owner can read.
    ///
    /// # Errors
    /// [`KeyRingError`] when the file is not there, is open to others, or holds no ring.
    pub fn load(path: &Path) -> Result<Self, KeyRingError> {
        let text = file::read(path)?.ok_or_else(|| KeyRingError::missing(path))?;
        document::parse(&text)
    }

    /// Reads the ring at `path`, or makes one there (mode 0600) when there is none.
    ///
    /// Two processes that start at once agree on one ring.
    ///
    /// # Errors
    /// [`KeyRingError`] when the file cannot be written, is open to others, or holds no ring.
    pub fn load_or_create(
        path: &Path,
        random: &dyn SecureRandom,
        now: OffsetDateTime,
    ) -> Result<Self, KeyRingError> {
        if let Some(text) = file::read(path)? {
            return document::parse(&text);
        }
        file::create(path, &Self::generate(random, now).to_json(), random)?;
        // Not our own: another process may have been first, and then its ring is the ring.
        Self::load(path)
    }

    /// Changes the ring in a file: what `change` makes of it takes its place at once, with the mode and the
    /// owner the file had. A crash leaves the one or the other. Of several that change one ring at one
    /// moment, one does.
    ///
    /// # Errors
    /// [`KeyRingError`]; or what `change` refuses, and then the file is as it was.
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

    /// Whether the service made these keys itself. Production mode refuses to start on them.
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
