//! Secrets in separate files, as Docker and Kubernetes provide them: `redis.url_file` instead of `redis.url`.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use zeroize::Zeroizing;

/// The size limit in bytes, larger than any secret: a wrong path must not fill the memory.
const MOST_BYTES: u64 = 64 * 1_024;
/// The read permission of users who are neither the owner nor in the group.
const OTHERS_MAY_READ: u32 = 0o004;

/// The suffix for the name of a secret setting.
pub(super) const SUFFIX: &str = "_file";

/// The secret in a file, without the trailing line break; or the reason why it cannot be used.
pub(super) fn read(path: &Path, is_production: bool) -> Result<Zeroizing<String>, String> {
    let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{} is no file", path.display()));
    }
    if is_production && metadata.permissions().mode() & OTHERS_MAY_READ != 0 {
        let path = path.display();
        return Err(format!(
            "{path} can be read by everybody, which production mode refuses: chmod o-r {path}"
        ));
    }
    let mut text = Zeroizing::new(String::new());
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(format!("{} is not UTF-8", path.display()))
        }
        Err(error) => Err(unreadable(error)),
        Ok(length) if length as u64 > MOST_BYTES => {
            Err(format!("{} is larger than any secret", path.display()))
        }
        Ok(_) if text.trim().is_empty() => Err(format!("{} is empty", path.display())),
        Ok(_) => Ok(Zeroizing::new(
            text.trim_end_matches(['\n', '\r']).to_owned(),
        )),
    }
}
