//! The key ring: its location, the checks before it is used, and loading it.

use std::{path::PathBuf, sync::Arc};

use adapters_crypto::{
    KeyRing, KeyRingError, KeysInUse, Origin, ServiceKey, SystemClock, SystemRandom,
};
use authentication_app::ports::{KeySummary, RekeyingQueries as _, ServiceKeyRecord};
use common::{Clock, SecureRandom};
use identity_adapters_postgres::Store;
use secrecy::SecretString;
use time::OffsetDateTime;

use super::store;
use crate::{
    StartError,
    config::{Config, Mistakes},
};

/// A new key ring for an operator, as a JSON document.
pub(crate) fn new_key_ring() -> SecretString {
    KeyRing::generate(&SystemRandom, SystemClock.now())
        .into_provided()
        .to_json()
}

/// The location of the key ring.
#[derive(Clone)]
pub(crate) enum RingPlace {
    /// In an environment variable or the configuration file.
    Setting(SecretString),
    /// In a file that the operator provides.
    File(PathBuf),
    /// In a file that the service creates if it is missing.
    OwnFile(PathBuf),
}

impl RingPlace {
    /// The configured location, or else, in development mode, a file in the data folder.
    pub(crate) fn of(config: &Config) -> Result<Self, Mistakes> {
        match (&config.keys.json, &config.keys.file) {
            (Some(_), Some(_)) => Err(config.two_key_rings().into()),
            (Some(json), None) => Ok(Self::Setting(json.clone())),
            (None, Some(file)) => Ok(Self::File(file.clone())),
            (None, None) if config.is_production() => Err(config
                .mistake("keys.file", "must be set in production mode")
                .into()),
            (None, None) => Ok(Self::OwnFile(config.data_dir.join("keys.json"))),
        }
    }

    /// The path, if the key ring is in a file.
    pub(crate) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Setting(_) => None,
            Self::File(file) | Self::OwnFile(file) => Some(file),
        }
    }

    /// The setting that names the location.
    const fn setting(&self) -> &'static str {
        match self {
            Self::Setting(_) => "keys.json",
            Self::File(_) => "keys.file",
            Self::OwnFile(_) => "data_dir",
        }
    }

    /// Reads the present key ring.
    pub(crate) fn read(&self) -> Result<KeyRing, KeyRingError> {
        match self {
            Self::Setting(json) => KeyRing::from_json(json),
            Self::File(file) | Self::OwnFile(file) => KeyRing::load(file),
        }
    }
}

/// The key ring to start with; generated now in development mode if it is missing.
pub(super) fn load(
    config: &Config,
    place: &RingPlace,
    random: &dyn SecureRandom,
    now: OffsetDateTime,
) -> Result<KeyRing, StartError> {
    let ring = match place {
        RingPlace::OwnFile(file) => {
            store::make_private_folder(&config.data_dir)?;
            KeyRing::load_or_create(file, random, now)
        }
        _ => place.read(),
    };
    let setting = place.setting();
    let ring = ring.map_err(|error| {
        let reason = with_causes(&error);
        Mistakes::from(config.mistake(setting, reason))
    })?;
    if config.is_production() && ring.is_development() {
        let reason = "holds keys that the service made for development; make others with \
                      fashionistar-auth keys generate";
        return Err(Mistakes::from(config.mistake(setting, reason)).into());
    }
    Ok(ring)
}

/// The origin of the key ring and its keys, without generating one; `None` if the first start will generate it.
pub(crate) fn examine_key_ring(
    config: &Config,
) -> Result<Option<(Origin, Vec<KeySummary>)>, StartError> {
    let place = RingPlace::of(config)?;
    if let RingPlace::OwnFile(file) = &place
        && !file.exists()
    {
        return Ok(None);
    }
    let ring = load(config, &place, &SystemRandom, SystemClock.now())?;
    let origin = if ring.is_development() {
        Origin::Generated
    } else {
        Origin::Provided
    };
    Ok(Some((origin, ring.keys())))
}

/// The service's own data key: the stored one, or a new one, which is then stored.
pub(crate) async fn service_key(
    store: &Store,
    keys: &Arc<KeysInUse>,
    random: &dyn SecureRandom,
    now: OffsetDateTime,
) -> Result<ServiceKey, StartError> {
    let wrapped = if let Some(wrapped) = store.find_service_key(ServiceKey::ID).await? {
        wrapped
    } else {
        let made = ServiceKey::generate(keys, random);
        store.keep_service_key(&made, now).await?
    };
    let record = ServiceKeyRecord {
        id: ServiceKey::ID.to_owned(),
        wrapped,
    };
    ServiceKey::open(keys, &record).map_err(|_| StartError::AnotherKeyRing)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
