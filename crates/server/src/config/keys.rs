//! `keys.…`: where the service's secret keys are.

use std::path::PathBuf;

use secrecy::SecretString;

use super::{kinds, reader::Reader};

/// The key ring, as `fashionistar-auth keys generate` prints it.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// `keys.file`: a file with the ring, which nobody but its owner can read (mode 0600). Default in
    /// development mode: `keys.json` in `data_dir`, made on the first start.
    pub file: Option<PathBuf>,
    /// `keys.json`: the ring itself, for platforms that hand secrets out as variables.
    pub json: Option<SecretString>,
}

impl KeySettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            file: reader.setting("keys.file", kinds::path),
            json: reader.setting("keys.json", kinds::secret),
        }
    }
}
