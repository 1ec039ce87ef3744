//! `keys.…`: where the service's secret keys are.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::{Config, Mistake, kinds, reader::Reader};

/// The key ring, as `fashionistar-auth keys generate` prints it.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// `keys.file`: a file with the ring, which nobody but its owner can read (mode 0600). Default in
    /// development mode: `keys.json` in `data_dir`, made on the first start.
    pub file: Option<PathBuf>,
    /// `keys.json`: the ring itself, for platforms that hand secrets out as variables.
    pub json: Option<SecretString>,
    /// `keys.reload_seconds`: how often the service looks whether the file changed. Default 5.
    pub reload_every: Duration,
    /// `keys.settle_seconds`: after how long every node has taken a changed ring up. The commands that move
    /// keys wait for it between the steps. At least twice `keys.reload_seconds`, unless the ring is in
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
    /// A node may have looked just before the ring changed, and its look takes a moment: twice the time between
    /// two looks is the least after which every node knows a changed ring. The commands that change keys rely
    /// on it as much as the service does.
    pub(super) fn too_soon_for_keys(&self) -> Option<Mistake> {
        let keys = &self.keys;
        let is_too_soon = keys.json.is_none() && keys.settle < keys.reload_every * 2;
        is_too_soon.then(|| {
            let reason = "must be at least twice keys.reload_seconds";
            self.mistake("keys.settle_seconds", reason)
        })
    }
}
