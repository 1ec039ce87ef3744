//! The key ring: where it is, and whether it may be used.

use std::path::PathBuf;

use adapters_crypto::{KeyRing, SystemRandom};
use common::SecureRandom;
use secrecy::SecretString;

use super::store;
use crate::{
    StartError,
    config::{Config, Mistakes},
};

/// A new ring of an operator's own, as one JSON document.
pub(crate) fn new_key_ring() -> SecretString {
    KeyRing::generate(&SystemRandom).into_provided().to_json()
}

/// The ring that the configuration names; in development mode one in the data folder, made when it is not there.
pub(super) fn load(config: &Config, random: &dyn SecureRandom) -> Result<KeyRing, StartError> {
    let (setting, ring) = match (&config.keys.json, named_file(config)) {
        (Some(json), _) => ("keys.json", KeyRing::from_json(json)),
        (None, Some(file)) if config.keys.file.is_some() => ("keys.file", KeyRing::load(&file)),
        (None, Some(file)) => {
            store::make_private_folder(&config.data_dir)?;
            ("data_dir", KeyRing::load_or_create(&file, random))
        }
        (None, None) => {
            let missing = config.mistake("keys.file", "must be set in production mode");
            return Err(Mistakes::from(missing).into());
        }
    };
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

/// Looks at the ring and makes none: what it is, or `None` when the first start will make it.
pub(crate) fn examine_key_ring(config: &Config) -> Result<Option<String>, StartError> {
    if let Some(file) = named_file(config)
        && config.keys.json.is_none()
        && config.keys.file.is_none()
        && !file.exists()
    {
        return Ok(None);
    }
    let ring = load(config, &SystemRandom)?;
    let origin = if ring.is_development() {
        "made by the service itself, for development"
    } else {
        "an operator's own"
    };
    Ok(Some(format!("the ring can be read; {origin}")))
}

fn named_file(config: &Config) -> Option<PathBuf> {
    let own = (!config.is_production()).then(|| config.data_dir.join("keys.json"));
    config.keys.file.clone().or(own)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
