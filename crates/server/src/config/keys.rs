//! `keys.…`: the location of the service's secret keys.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{Config, Mistake, kinds, reader::Reader};

/// The key ring, as `fashionistar-auth keys generate` prints it.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// `keys.file`: a file with the key ring, readable by its owner only (mode 0600). Default in development mode:
    /// `keys.json` in `data_dir`, generated on the first start.
    pub file: Option<PathBuf>,
    /// `keys.json`: the key ring itself, for platforms that pass secrets as environment variables.
    pub json: Option<SecretString>,
    /// `keys.reload_seconds`: how often the service checks the file for changes. Default 5.
    pub reload_every: Duration,
    /// `keys.settle_seconds`: the time after which every node has loaded a changed key ring. The commands that
    /// change keys wait for it between their steps. At least twice `keys.reload_seconds`, unless the key ring is in
    /// `keys.json`. Default 60.
    pub settle: Duration,
}

impl KeySettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            file: reader.setting("keys.file", kinds::path),
            json: reader.setting("keys.json", kinds::secret),
            reload_every: reader
                .setting("keys.reload_seconds", kinds::number(1..=3_600))
                .map_or(Duration::from_secs(5), Duration::from_secs),
            settle: reader
                .setting("keys.settle_seconds", kinds::number(0..=604_800))
                .map_or(Duration::from_mins(1), Duration::from_secs),
        }
    }
}

impl Config {
    /// A node may have checked the file just before it changed, and reading it takes a moment. Therefore a change
    /// is known to every node only after twice the interval between two checks. The commands that change keys rely
    /// on this as much as the service does.
    pub(super) fn too_soon_for_keys(&self) -> Option<Mistake> {
        let keys = &self.keys;
        let is_too_soon = keys.json.is_none() && keys.settle < keys.reload_every * 2;
        is_too_soon.then(|| {
            let reason = "must be at least twice keys.reload_seconds";
            self.mistake("keys.settle_seconds", reason)
        })
    }
}
